package auditlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// cursorFile is the path of the file with the position of a log.
type cursorFile string

// read returns the position; false if there is no file. An empty file is the position before all events.
func (c cursorFile) read() (store.Position, bool, error) {
	text, err := os.ReadFile(string(c))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return store.Position{}, false, nil
	case err != nil:
		return store.Position{}, false, err
	}
	trimmed := strings.TrimSpace(string(text))
	if trimmed == "" {
		return store.Position{}, true, nil
	}
	at, err := store.ParsePosition(trimmed)
	if err != nil {
		return at, false, fmt.Errorf("%s is damaged: empty the file to begin with the oldest event, or remove it to begin with the next one", c)
	}
	return at, true, nil
}

// store replaces the file at once: a crash leaves the old content or the new one.
func (c cursorFile) store(at store.Position) error {
	if err := os.MkdirAll(filepath.Dir(string(c)), 0o700); err != nil {
		return err
	}
	temporary := string(c) + ".new"
	if err := writeSynced(temporary, at.String()+"\n"); err != nil {
		return err
	}
	return os.Rename(temporary, string(c))
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
