package servertest

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// PgBouncer is a PgBouncer in transaction mode with few connections. It listens on a socket in a directory of its own.
type PgBouncer struct {
	dir, program string
	cmd          *exec.Cmd
	log          bytes.Buffer
}

// NewPgBouncer runs a PgBouncer for the users of PostgreSQL URLs until the test ends. The URLs name one PostgreSQL. settings
// are lines of its configuration.
func NewPgBouncer(t testing.TB, settings string, databaseURLs ...string) *PgBouncer {
	t.Helper()
	program := FindInSbin(t, "pgbouncer")
	dir, err := os.MkdirTemp("", "pgbouncer-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &PgBouncer{dir: dir, program: program}
	var target *url.URL
	var users strings.Builder
	quote := strings.NewReplacer(`"`, `""`)
	for _, text := range databaseURLs {
		if target, err = url.Parse(text); err != nil {
			t.Fatal(err)
		}
		password, _ := target.User.Password()
		fmt.Fprintf(&users, "\"%s\" \"%s\"\n", quote.Replace(target.User.Username()), quote.Replace(password))
	}
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = %s
auth_type = md5
auth_file = %s
pool_mode = transaction
default_pool_size = 8
max_client_conn = 1000
%s
`, target.Hostname(), target.Port(), dir, p.path("users"), settings)
	for name, content := range map[string]string{"config": config, "users": users.String()} {
		if err := os.WriteFile(p.path(name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil { // PgBouncer runs as another user
		t.Fatal(err)
	}
	p.start(t)
	t.Cleanup(p.stop)
	return p
}

func (p *PgBouncer) path(name string) string { return filepath.Join(p.dir, name) }

// Through returns the URL of a database through this PgBouncer.
func (p *PgBouncer) Through(t testing.TB, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = ""
	u.RawQuery = url.Values{"host": {p.dir}, "port": {"6432"}}.Encode()
	return u.String()
}

// Restart stops PgBouncer, which closes every connection, and starts it again.
func (p *PgBouncer) Restart(t testing.TB) {
	t.Helper()
	p.stop()
	p.start(t)
}

func (p *PgBouncer) start(t testing.TB) {
	t.Helper()
	args := []string{p.path("config")}
	if os.Geteuid() == 0 { // it refuses to run as root
		args = append([]string{"-u", "nobody"}, args...)
	}
	p.cmd = exec.Command(p.program, args...)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	WaitUntil(t, func() error {
		conn, err := net.Dial("unix", p.path(".s.PGSQL.6432"))
		if err != nil {
			return fmt.Errorf("PgBouncer does not listen: %w", err)
		}
		return conn.Close()
	})
}

func (p *PgBouncer) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// FindInSbin finds a server program, which Debian installs where a user's PATH may not lead.
func FindInSbin(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path, err := exec.LookPath(filepath.Join("/usr/sbin", name))
	if err != nil {
		t.Fatalf("%v: run scripts/need-commands %s", err, name)
	}
	return path
}
