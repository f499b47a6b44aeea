package packaging

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a booted Debian without a network. systemd is its first process.
type machine struct {
	root   string // its root directory, on this machine
	leader string // the process id of its first process, on this machine
}

// asRoot returns a command that root runs on this machine.
func asRoot(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() == 0 {
		return exec.CommandContext(t.Context(), name, args...)
	}
	if exec.CommandContext(t.Context(), "sudo", "-n", "true").Run() != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root, or sudo without a password")
		}
		t.Skip("needs root, or sudo without a password")
	}
	return exec.CommandContext(t.Context(), "sudo", append([]string{"-n", name}, args...)...)
}

// runAsRoot runs a command as root on this machine, and returns what it prints.
func runAsRoot(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := asRoot(t, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newRoot returns a directory with the files of a fresh Debian.
func newRoot(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The context of the test has ended.
		cmd := exec.Command("rm", "-rf", root)
		if os.Getuid() != 0 {
			cmd = exec.Command("sudo", "-n", "rm", "-rf", root)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("remove %s: %v\n%s", root, err, out)
		}
	})
	runAsRoot(t, "tar", "-C", root, "-xpf", "../bin/debian.tar")
	return root
}

// boot returns a fresh Debian that can download the release from github.com.
func (r release) boot(t *testing.T) machine {
	t.Helper()
	m := machine{root: newRoot(t)}
	r.publish(t, m.root)
	args := []string{"--directory=" + m.root, "--boot", "--private-network", "--register=no", "--console=pipe"}
	if first, err := os.ReadFile("/proc/1/comm"); err != nil || strings.TrimSpace(string(first)) != "systemd" {
		args = append(args, "--keep-unit") // no systemd on this machine can make a unit
	}
	var console bytes.Buffer
	nspawn := asRoot(t, "systemd-nspawn", args...)
	nspawn.Stdout, nspawn.Stderr = &console, &console
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = nspawn.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		<-ended
		if t.Failed() {
			t.Logf("the console of the machine:\n%s", console.String())
		}
	})
	m.leader = findLeader(t, nspawn.Process.Pid, ended)
	t.Cleanup(func() {
		cmd := exec.Command("kill", "-KILL", m.leader)
		if os.Getuid() != 0 {
			cmd = exec.Command("sudo", "-n", "kill", "-KILL", m.leader)
		}
		_ = cmd.Run()
	})
	m.mustRun(t, `until systemctl is-system-running --wait 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.2; done
		systemd-run --quiet --unit=github --working-directory=/srv openssl s_server -accept 443 -WWW -cert /srv/cert.pem -key /srv/key.pem
		update-ca-certificates >/dev/null
		until curl -fsS -o /dev/null https://github.com/up; do sleep 0.2; done`)
	return m
}

// findLeader waits for the first process of the container that a process has started.
func findLeader(t *testing.T, parent int, ended <-chan struct{}) string {
	t.Helper()
	for {
		select {
		case <-ended:
			t.Fatal("the machine did not start")
		case <-time.After(50 * time.Millisecond):
		}
		for _, pid := range listDescendants(fmt.Sprint(parent)) {
			status, _ := os.ReadFile("/proc/" + pid + "/status")
			for line := range strings.Lines(string(status)) {
				if fields := strings.Fields(line); fields[0] == "NSpid:" && len(fields) > 2 && fields[len(fields)-1] == "1" && isInit(pid) {
					return pid
				}
			}
		}
	}
}

// isInit reports whether a process runs systemd already. Before, it is still systemd-nspawn that prepares the root.
func isInit(pid string) bool {
	command, err := os.ReadFile("/proc/" + pid + "/comm")
	return err == nil && strings.TrimSpace(string(command)) == "systemd"
}

func listDescendants(pid string) []string {
	children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	var all []string
	for _, child := range strings.Fields(string(children)) {
		all = append(append(all, child), listDescendants(child)...)
	}
	return all
}

// run runs a script of bash as root on the machine.
func (m machine) run(t *testing.T, script string) (string, error) {
	t.Helper()
	out, err := asRoot(t, "nsenter", "--target", m.leader, "--all", "--", "env", "-i", "HOME=/root", "LANG=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
		"bash", "-euo", "pipefail", "-c", "cd /root\n"+script).CombinedOutput()
	return string(out), err
}

func (m machine) mustRun(t *testing.T, script string) string {
	t.Helper()
	out, err := m.run(t, script)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return strings.TrimSpace(out)
}

// write writes a file of the machine, which everybody can read.
func (m machine) write(t *testing.T, name, content string) {
	t.Helper()
	cmd := asRoot(t, "install", "-D", "-m", "0755", "/dev/stdin", filepath.Join(m.root, name))
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("write %s: %v\n%s", name, err, out)
	}
}

// publish puts the release into a root, where a server for github.com finds it.
func (r release) publish(t *testing.T, root string) {
	t.Helper()
	m := machine{root: root}
	const downloads = "srv/certctl/terraform-provider-certctl/releases/download/v"
	runAsRoot(t, "mkdir", "-p", filepath.Join(root, filepath.Dir(downloads+r.version)))
	runAsRoot(t, "cp", "-r", r.dir, filepath.Join(root, downloads+r.version))
	certificate, key := newCertificate(t, "github.com")
	m.write(t, "srv/up", "up\n")
	m.write(t, "srv/cert.pem", certificate)
	m.write(t, "srv/key.pem", key)
	m.write(t, "usr/local/share/ca-certificates/github.crt", certificate)
	m.write(t, "etc/hosts", "127.0.0.1 localhost github.com\n")
	m.write(t, "etc/hostname", "debian\n")
}

// newCertificate returns a self-signed certificate and its key, as PEM.
func newCertificate(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
