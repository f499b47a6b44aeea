package packaging

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const crane = "../bin/tools/crane"

// startRegistry starts an empty registry, and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	registry := exec.CommandContext(t.Context(), crane, "registry", "serve", "--address", "127.0.0.1:0")
	output, err := registry.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = registry.Process.Kill()
		_ = registry.Wait()
	})
	port := regexp.MustCompile(`serving on port (\d+)`)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if found := port.FindStringSubmatch(lines.Text()); found != nil {
			go func() {
				for lines.Scan() { // a full pipe would stop the registry
				}
			}()
			return "127.0.0.1:" + found[1]
		}
	}
	t.Fatalf("the registry did not start: %v", lines.Err())
	return ""
}

// pushImage pushes the released image to a new registry, as the release does, and returns its name there.
func (r release) pushImage(t *testing.T) string {
	t.Helper()
	layout := t.TempDir()
	run(t, "tar", "-C", layout, "-xf", r.path("image.tar"))
	name := startRegistry(t) + "/certctl:" + r.version
	_, digest, _ := strings.Cut(strings.TrimSpace(runShell(t, `"$@" 2>/dev/null`, crane, "push", layout, name)), "@")
	if file := string(readFile(t, r.path("image.txt"))); !strings.HasSuffix(strings.TrimSpace(file), "@"+digest) {
		t.Errorf("the release names the image %s, and the registry %s", file, digest)
	}
	return name
}

// imageConfig is the part of an image's configuration that an engine uses to run it.
type imageConfig struct {
	Created string `json:"created"`
	Config  struct {
		User       string
		Entrypoint []string
		Cmd        []string
		Env        []string
		Volumes    map[string]any
		WorkingDir string
	} `json:"config"`
}

// readConfig reads the configuration of the image for an architecture.
func readConfig(t *testing.T, name, architecture string) (c imageConfig) {
	t.Helper()
	if err := json.Unmarshal([]byte(run(t, crane, "config", "--platform", "linux/"+architecture, name)), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// The image for both architectures comes from a registry. It holds the program, the authorities that the program trusts as a
// client, and the data directory alone. The files run as an engine would run them: on a read-only root, as the user of the
// image, in an environment of the image alone. That is enough for a gated certificate.
func TestImage_Runs(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	name := r.pushImage(t)
	for _, architecture := range []string{"amd64", "arm64"} {
		files := strings.Fields(runShell(t, `"$1" export --platform "linux/$2" "$3" - | tar -t`, crane, architecture, name))
		want := []string{"certctl", "etc", "etc/ssl", "etc/ssl/certs", "etc/ssl/certs/ca-certificates.crt", "var", "var/lib", "var/lib/certctl"}
		if slices.Sort(files); !slices.Equal(files, want) {
			t.Errorf("%s has the files %v, want %v", architecture, files, want)
		}
	}
	authorities := runShell(t, `"$1" export "$2" - | tar -xO etc/ssl/certs/ca-certificates.crt`, crane, name)
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(authorities)) || strings.Count(authorities, "BEGIN CERTIFICATE") < 100 {
		t.Error("the image trusts nobody as a client")
	}

	config := readConfig(t, name, runtime.GOARCH).Config
	if _, declared := config.Volumes["/var/lib/certctl"]; !declared || !slices.Equal(config.Entrypoint, []string{"/certctl"}) || !slices.Equal(config.Cmd, []string{"serve"}) {
		t.Errorf("the image has the volumes %v and the command %v %v", config.Volumes, config.Entrypoint, config.Cmd)
	}
	m := r.boot(t)
	user, group, _ := strings.Cut(config.User, ":")
	m.write(t, "usr/local/bin/in-image", fmt.Sprintf(`#!/bin/bash
		exec unshare --mount bash -euc '
			mount --bind /srv/image /srv/image
			mount -o remount,bind,ro /srv/image
			mount --bind /srv/data /srv/image/var/lib/certctl
			exec env -i %s unshare --root=/srv/image --wd=%s --setuid=%s --setgid=%s %s "$@"' bash "$@"
		`, strings.Join(config.Env, " "), config.WorkingDir, user, group, strings.Join(config.Entrypoint, " ")))
	archive := filepath.Join(t.TempDir(), "image.tar")
	run(t, crane, "export", "--platform", "linux/"+runtime.GOARCH, name, archive)
	runAsRoot(t, "mkdir", filepath.Join(m.root, "srv/image"))
	runAsRoot(t, "tar", "-C", filepath.Join(m.root, "srv/image"), "--numeric-owner", "-xpf", archive)
	out := m.mustRun(t, `cp -a /srv/image/var/lib/certctl /srv/data
		systemd-run --quiet --unit=container in-image `+strings.Join(config.Cmd, " ")+`
		admin=in-image
		`+r.pageCommands(t, "Issue the first certificate"))
	if !strings.Contains(out, "DNS:www.example.com") {
		t.Errorf("the image issues no certificate:\n%s", out)
	}
	m.expect(t, `grep '^Uid' "/proc/$(systemctl show --value -p MainPID container)/status" | cut -f2-3`, user+"\t"+user)
	m.expect(t, `find /srv/image -newer /srv/data/certctl.db -type f`, "")
}
