package packaging

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// release is the output of make release-snapshot.
type release struct {
	dir     string // the files that would be published
	version string
	commit  string
}

// readRelease returns the release that make test-release has built.
func readRelease(t *testing.T) release {
	t.Helper()
	dist := os.Getenv("CERTCTL_TEST_DIST")
	if dist == "" {
		t.Skip("needs a release: make test-release")
	}
	var metadata struct{ Version, Commit string }
	if err := json.Unmarshal(readFile(t, filepath.Join(dist, "metadata.json")), &metadata); err != nil {
		t.Fatal(err)
	}
	return release{dir: filepath.Join(dist, "publish"), version: metadata.Version, commit: metadata.Commit}
}

// path returns the path of a file of the server, such as linux_amd64.deb.
func (r release) path(part string) string {
	return filepath.Join(r.dir, "certctl_"+r.version+"_"+part)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// run runs a command of this machine, and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The server's checksums list every file of the server and nothing else, and each file has the listed sum. The signature of
// the checksums is checked by the commands of the page.
func TestRelease_ListsEveryFileOfTheServer(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	want := []string{"image.tar", "image.txt"}
	for _, platform := range []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"} {
		want = append(want, platform+".tar.gz", platform+".cdx.json")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		want = append(want, "linux_"+arch+".deb", "linux_"+arch+".rpm")
	}
	slices.Sort(want)
	var got []string
	for line := range strings.Lines(string(readFile(t, r.path("SHA256SUMS")))) {
		listed, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		part, isServer := strings.CutPrefix(name, "certctl_"+r.version+"_")
		if !isServer {
			t.Errorf("%s is no file of the server", name)
			continue
		}
		got = append(got, part)
		content := readFile(t, r.path(part))
		if digest := sha256.Sum256(content); hex.EncodeToString(digest[:]) != listed {
			t.Errorf("the listed sum of %s is wrong", name)
		}
		if strings.HasSuffix(name, ".cdx.json") && !strings.Contains(string(content), "gorm.io/gorm") {
			t.Errorf("%s does not say what the server is made of", name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The files have the time of the commit, and no name of the machine that built them. So the same commit gives the same bytes;
// the program itself is built again by TestPage_Source.
func TestRelease_HasTheTimeOfTheCommit(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	commit := strings.TrimSpace(runShell(t, `git log -1 --format=%cd --date='format-local:%Y-%m-%d %H:%M:%S' "$1"`, r.commit))
	t.Run("deb", func(t *testing.T) {
		t.Parallel()
		for _, listing := range []string{"--fsys-tarfile", "--ctrl-tarfile"} {
			expectTimes(t, commit, runShell(t, `dpkg-deb "$1" "$2" | tar --utc --full-time --numeric-owner -tvf -`, listing, r.path("linux_amd64.deb")))
		}
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		expectTimes(t, commit, runShell(t, `tar --utc --full-time --numeric-owner -tvf "$1"`, r.path("linux_amd64.tar.gz")))
	})
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		times := runShell(t, `rpm -qp --qf '%{BUILDTIME} %{BUILDHOST}\n[%{FILEMTIMES} localhost\n]' "$1" 2>/dev/null | sort -u`, r.path("linux_amd64.rpm"))
		if want := strings.TrimSpace(run(t, "git", "log", "-1", "--format=%ct", r.commit)) + " localhost\n"; times != want {
			t.Errorf("got %q, want %q", times, want)
		}
	})
}

// runShell runs a script of bash with arguments on this machine, in UTC.
func runShell(t *testing.T, script string, args ...string) string {
	t.Helper()
	return run(t, "env", append([]string{"TZ=UTC", "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "bash", "-euo", "pipefail", "-c", script, "bash"}, args...)...)
}

// expectTimes compares the time and the owner of every entry in the listing of an archive.
func expectTimes(t *testing.T, want, listing string) {
	t.Helper()
	for line := range strings.Lines(listing) {
		if !strings.Contains(line, " 0/0 ") || !strings.Contains(line, want) {
			t.Errorf("want owner 0/0 and %s: %s", want, line)
		}
	}
}
