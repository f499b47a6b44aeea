package auditlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// file appends to a file. After a rotation it creates the file anew.
type file struct {
	path string
	f    *os.File // nil after an error
	torn bool     // the file does not end with a newline
}

// open opens the file unless the path still names the open file. A line that is torn, as by a full disk, is ended.
func (o *file) open() error {
	if err := checkRegular(o.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if o.isCurrent() {
		return nil
	}
	o.close()
	var err error
	if o.f, err = os.OpenFile(o.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o640); err != nil { //nolint:gosec // the group of the log shipper may read it
		o.f = nil
		return err
	}
	if o.torn, err = isTorn(o.f); err != nil {
		o.close()
	}
	return err
}

// checkRegular returns an error if there is no regular file at a path.
func checkRegular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	return err
}

// isCurrent reports whether the path still names the open file.
func (o *file) isCurrent() bool {
	if o.f == nil {
		return false
	}
	there, err := os.Stat(o.path)
	if err != nil {
		return false
	}
	open, err := o.f.Stat()
	return err == nil && os.SameFile(there, open)
}

func isTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, info.Size()-1)
	return last[0] != '\n', err
}

func (o *file) close() {
	if o.f != nil {
		_ = o.f.Close() // what was written is flushed
		o.f = nil
	}
}

// Write implements output.
func (o *file) Write(lines []byte) (int, error) {
	if err := o.open(); err != nil {
		return 0, err
	}
	if o.torn {
		if _, err := io.WriteString(o.f, "\n"); err != nil {
			return 0, err
		}
		o.torn = false
	}
	n, err := o.f.Write(lines)
	o.torn = n > 0 && lines[n-1] != '\n'
	return n, err
}

func (o *file) flush() error {
	if o.f == nil {
		return nil
	}
	err := o.f.Sync()
	if err != nil {
		o.close()
	}
	return err
}

// stdout writes to standard output.
type stdout struct{ torn bool }

// ignorePipe keeps a reader of standard output that ends from ending the server.
var ignorePipe = sync.OnceFunc(func() { signal.Ignore(syscall.SIGPIPE) })

// Write implements output.
func (o *stdout) Write(lines []byte) (int, error) {
	ignorePipe()
	if o.torn {
		if _, err := os.Stdout.WriteString("\n"); err != nil {
			return 0, err
		}
		o.torn = false
	}
	n, err := os.Stdout.Write(lines)
	o.torn = n > 0 && lines[n-1] != '\n'
	return n, err
}

func (*stdout) flush() error { return nil }
