package auditlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// fullDisk writes to a file, which takes as many bytes as there is room for.
type fullDisk struct {
	file
	room int
}

var errNoSpace = errors.New("no space left on device")

func (d *fullDisk) Write(lines []byte) (int, error) {
	if len(lines) <= d.room {
		d.room -= len(lines)
		return d.file.Write(lines)
	}
	n, err := d.file.Write(lines[:d.room])
	d.room = 0
	return n, errors.Join(err, errNoSpace)
}

// A disk becomes full at each byte of three events. Once there is room again, the log goes on after the last whole line, and
// ends a torn line.
func TestWrite_GoesOnAfterAFullDisk(t *testing.T) {
	t.Parallel()
	rows := make([]audit.Row, 3)
	for i := range rows {
		rows[i] = audit.Row{ID: fmt.Sprintf("ev-%d", i), Details: "{}", Position: int64(i + 1)}
	}
	var whole strings.Builder
	if err := audit.WriteLines(&whole, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(whole.String(), "\n")+"\n", "\n")[:3]
	dir := t.TempDir()
	for room := range len(whole.String()) {
		path := filepath.Join(dir, fmt.Sprint(room))
		disk := &fullDisk{file{path: path}, room}
		l := &Log{output: disk, cursor: cursorFile(path + cursorEnding), hasBegun: true}
		err := l.write(page{rows: rows, next: store.Position{Number: 10}})
		if !errors.Is(err, errNoSpace) {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		written := int(l.at.Number)
		if want := strings.Count(whole.String()[:room], "\n"); written != want {
			t.Fatalf("room for %d bytes: the cursor is after %d events, of which %d are written", room, written, want)
		}
		disk.room = 10_000
		if err := l.write(page{rows: rows[written:], next: store.Position{Number: 10}}); err != nil {
			t.Fatal(err)
		}
		if at, found, err := l.cursor.read(); at.Number != 10 || !found || err != nil {
			t.Fatalf("the cursor is %v: %v", at, err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.SplitAfter(string(text), "\n")
		got = slices.DeleteFunc(got, func(line string) bool { return !slices.Contains(lines, line) })
		if !slices.Equal(slices.Compact(got), lines) { // only the newline of the first may have been missing
			t.Fatalf("room for %d bytes: %q", room, text)
		}
	}
}

// A damaged cursor is refused, not guessed.
func TestCheck_RefusesADamagedCursor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	for text, ok := range map[string]bool{"": true, "\n": true, store.Position{Number: 7, ID: "ev-1"}.String() + "\n": true, "MTIzNA": false, "7": false} {
		if err := os.WriteFile(path+cursorEnding, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Check(path); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
