package commands

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// newTLSPair writes tls.crt and tls.key into a new directory. The certificate has the common name.
func newTLSPair(t *testing.T, name string) string {
	t.Helper()
	f := files{dir: t.TempDir()}
	f.newCertificate(t, name, f.newKey(t, "tls.key"), true, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err := os.Rename(f.path(name), f.path("tls.crt")); err != nil {
		t.Fatal(err)
	}
	return f.dir
}

// point makes a symbolic link point to another directory, as Kubernetes does with a mounted secret.
func point(t *testing.T, link, to string) {
	t.Helper()
	if err := os.Symlink(to, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

// servedName returns the common name of the certificate that a server sends.
func servedName(address string) (string, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // the test compares the certificate
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// The server serves the new pair after a change of the files, and after SIGHUP. A bad pair keeps the one in place, and the
// metric says so.
func TestServe_LoadsTLSFilesAgain(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		pairs := map[string]string{"one": newTLSPair(t, "one"), "two": newTLSPair(t, "two"), "three": newTLSPair(t, "three"), "bad": newTLSPair(t, "bad")}
		if err := os.WriteFile(filepath.Join(pairs["bad"], "tls.key"), []byte("-----BEGIN PRIVATE KEY-----\nhalf"), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "secret")
		point(t, link, pairs["one"])
		server := startServer(t, t.TempDir(), append(env, "CERTCTL_TLS_CERT_FILE="+link+"/tls.crt", "CERTCTL_TLS_KEY_FILE="+link+"/tls.key")...)
		for _, step := range []struct {
			pair, served string
			hangup       bool
			failed       int
		}{
			{"one", "one", false, 0},
			{"two", "two", false, 0},
			{"bad", "two", false, 1},
			{"three", "three", true, 0},
			{"bad", "three", true, 1},
			{"one", "one", true, 0},
			{"one", "one", true, 0},
		} {
			point(t, link, pairs[step.pair])
			if step.hangup {
				if err := server.signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
			}
			servertest.WaitUntil(t, func() error {
				name, err := servedName(server.address)
				if err != nil {
					return err
				}
				_, metrics := getPage(t, "http://"+server.metrics+"/metrics")
				if name != step.served || !strings.Contains(metrics, fmt.Sprintf("certctl_tls_reload_failed %d\n", step.failed)) {
					return fmt.Errorf("with the pair %s, the server serves %s; want %s and the metric %d", step.pair, name, step.served, step.failed)
				}
				return nil
			})
		}
		server.stop()
		if log := server.log.String(); strings.Count(log, "cannot be loaded") < 2 || strings.Count(log, "received the hang-up signal") < 3 {
			t.Errorf("the log: %s", log)
		}
	})
}

// SIGHUP ends no server, with or without TLS files.
func TestServe_SurvivesSIGHUP(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		server := startServer(t, t.TempDir(), env...)
		for range 3 {
			if err := server.signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if status, _ := getPage(t, "http://"+server.address+"/healthz"); status != http.StatusOK {
				t.Errorf("/healthz answers %d", status)
			}
		}
	})
}
