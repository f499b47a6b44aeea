//go:build unix

package people

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file that others can read or write, or that belongs to another user.
func checkPrivate(info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return errors.New("can be read by other users: revoke the key in it, remove the file, and sign in again with certctl login")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return errors.New("belongs to another user: sign in again as this user with certctl login")
	}
	return nil
}
