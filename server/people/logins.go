package people

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// login is what `certctl login` stores about one server.
type login struct {
	Endpoint string `json:"endpoint"`
	APIKey   string `json:"api_key"`
	CAFile   string `json:"ca_file,omitempty"` // absolute
}

// logins is a directory with a file for each server. A file of its own lets two processes sign in at once.
type logins struct{ dir string }

// loginSuffix ends the name of each file of a login.
const loginSuffix = ".json"

// findLogins returns the directory in the user's configuration directory. The directory need not exist.
func findLogins() (logins, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return logins{}, fmt.Errorf("find the directory of the logins: %w", err)
	}
	return logins{filepath.Join(config, "certctl", "logins")}, nil
}

// list returns every login, sorted by the names of their files.
func (l logins) list() ([]login, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the logins: %w", err)
	}
	var all []login
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), loginSuffix) {
			continue
		}
		one, err := readLogin(filepath.Join(l.dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// find returns the login at an endpoint, or nil if there is none.
func (l logins) find(endpoint string) (*login, error) {
	one, err := readLogin(l.path(endpoint))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case one.Endpoint != endpoint:
		return nil, fmt.Errorf("%s is the login of another server: remove it", l.path(endpoint))
	}
	return &one, nil
}

// readLogin reads a file that only its owner can read. Others may know the key in any other file, or may have written it.
func readLogin(path string) (login, error) {
	file, err := os.Open(path)
	if err != nil {
		return login{}, fmt.Errorf("read a login: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return login{}, fmt.Errorf("read a login: %w", err)
	}
	if err := checkPrivate(info); err != nil {
		return login{}, fmt.Errorf("%s %w", path, err)
	}
	var one login
	if err := json.NewDecoder(file).Decode(&one); err != nil || one.Endpoint == "" || one.APIKey == "" {
		return login{}, fmt.Errorf("%s is no login: remove it, then sign in again with certctl login", path)
	}
	return one, nil
}

// store writes a login. A reader sees the former login or the new one, whole.
func (l logins) store(one login) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the logins: %w", err)
	}
	if err := os.Chmod(l.dir, 0o700); err != nil { //nolint:gosec // a directory needs the bit to search it
		return fmt.Errorf("protect the directory of the logins: %w", err)
	}
	content, err := json.MarshalIndent(one, "", "  ") //nolint:gosec // storing the key is the purpose
	if err != nil {
		return fmt.Errorf("encode the login: %w", err)
	}
	if err := writeWhole(l.path(one.Endpoint), append(content, '\n')); err != nil {
		return fmt.Errorf("store the login: %w", err)
	}
	return nil
}

// writeWhole replaces a file in one step. Only its owner can read the new file.
func writeWhole(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".login-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it is gone once it was renamed
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// remove deletes the login at an endpoint. It reports whether there was one.
func (l logins) remove(endpoint string) (bool, error) {
	err := os.Remove(l.path(endpoint))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("remove the login: %w", err)
	}
	return true, nil
}

func (l logins) path(endpoint string) string {
	return filepath.Join(l.dir, url.QueryEscape(endpoint)+loginSuffix)
}
