package history_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/history"
)

// change reads "version field=value author", such as "2 sans=b bob".
func change(text string) history.Change {
	parts := strings.Fields(text)
	field, value, _ := strings.Cut(parts[1], "=")
	return history.Change{
		Version: int64(parts[0][0] - '0'), Field: field, Value: value, Author: history.Author{Principal: parts[2], Accountable: parts[2]},
	}
}

// An open change makes the newest version differ from the last settled version.
func TestListOpen_ReturnsWhatDiffersFromTheSettledVersion(t *testing.T) {
	cases := []struct {
		name    string
		changes []string
		settled int64 // up to this version
		want    []string
	}{
		{"nothing settled: all of them", []string{"1 key=a alice", "1 sans=a alice", "2 sans=b bob"}, 0, []string{"1 key alice", "1 sans alice", "2 sans bob"}},
		{"nothing changed since", []string{"1 key=a alice", "1 sans=a alice"}, 1, nil},
		{"one field changed", []string{"1 key=a alice", "1 sans=a alice", "2 sans=b bob"}, 1, []string{"2 sans bob"}},
		{"two people changed it", []string{"1 sans=a alice", "2 sans=b bob", "3 sans=c carol"}, 1, []string{"2 sans bob", "3 sans carol"}},
		{"changed back", []string{"1 sans=a alice", "2 sans=b bob", "3 sans=a carol"}, 1, nil},
		{"changed back, then again", []string{"1 sans=a alice", "2 sans=b bob", "3 sans=a bob", "4 sans=c carol"}, 1, []string{"4 sans carol"}},
		{"another field goes on", []string{"1 sans=a alice", "1 key=a alice", "2 sans=b bob", "3 key=b carol", "4 sans=a bob"}, 1, []string{"3 key carol"}},
		{"settled later", []string{"1 sans=a alice", "2 sans=b bob", "3 key=b carol"}, 2, []string{"3 key carol"}},
		{"back to what was never settled", []string{"1 sans=a alice", "2 sans=b bob", "3 sans=a alice"}, 0, []string{"1 sans alice", "2 sans bob", "3 sans alice"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var changes []history.Change
			for _, text := range c.changes {
				changes = append(changes, change(text))
			}
			var got []string
			for _, o := range history.ListOpen(changes, func(o history.Change) bool { return o.Version <= c.settled }) {
				got = append(got, string(rune('0'+o.Version))+" "+o.Field+" "+o.Accountable)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("open: %q, want %q", got, c.want)
			}
		})
	}
}

// A new object changes all its fields. A later version changes the fields that differ.
func TestListChanges_ReturnsWhatDiffers(t *testing.T) {
	type content struct {
		Name string   `json:"name"`
		List []string `json:"list"`
	}
	for _, c := range []struct {
		name          string
		before, after any
		want          []string
	}{
		{"a new object", nil, content{"a", []string{"x"}}, []string{"list", "name"}},
		{"no change", content{"a", []string{"x"}}, content{"a", []string{"x"}}, nil},
		{"one field", content{"a", []string{"x"}}, content{"a", []string{"x", "y"}}, []string{"list"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			changes, err := history.ListChanges(1, history.Author{}, time.Time{}, c.before, c.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, change := range changes {
				got = append(got, change.Field)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("changes: %q, want %q", got, c.want)
			}
		})
	}
}
