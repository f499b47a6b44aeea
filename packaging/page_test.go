package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var codeBlock = regexp.MustCompile("(?ms)^```bash\n(.*?)^```$")

// pageCommands returns the commands below a heading of the page on installing, for the version of the release. They are for
// the architecture of this machine.
func (r release) pageCommands(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(string(readFile(t, "../docs/server/install.md")), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the page has no heading %s", heading)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	var commands strings.Builder
	for _, block := range codeBlock.FindAllStringSubmatch(section, -1) {
		commands.WriteString(block[1])
	}
	if commands.Len() == 0 {
		t.Fatalf("the page has no commands below %s", heading)
	}
	return strings.NewReplacer("0.1.0", r.version, "linux_amd64", "linux_"+runtime.GOARCH).Replace(commands.String())
}

// Someone with a fresh Debian and the page gets a running server, a second person and a gated certificate.
func TestPage(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"Debian and Ubuntu", "Any Linux and macOS"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := readRelease(t)
			m := r.boot(t)
			out := m.mustRun(t, r.pageCommands(t, "Download and check")+r.pageCommands(t, way)+r.pageCommands(t, "Issue the first certificate"))
			for _, want := range []string{`Good signature from`, `"awaiting_approval"`, `"approved"`, `DNS:www.example.com`} {
				if !strings.Contains(out, want) {
					t.Errorf("the commands of the page do not print %s:\n%s", want, out)
				}
			}
		})
	}
}

// The commands of the page build the released program, byte for byte, in another directory and without a build cache.
func TestPage_Source(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	build := regexp.MustCompile(`(?m)^CGO_ENABLED=0 go build .*$`).FindString(r.pageCommands(t, "Source"))
	if build == "" {
		t.Fatal("the page has no command to build the server")
	}
	dir := t.TempDir()
	export := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
		`cd .. && git ls-files -z --cached --others --exclude-standard | tar -c --ignore-failed-read --null -T - | tar -x -C "$0" && cd "$0" && `+build, dir)
	export.Env = append(os.Environ(), "GOCACHE="+filepath.Join(t.TempDir(), "cache"))
	if out, err := export.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	platform := runtime.GOOS + "_" + runtime.GOARCH
	run(t, "tar", "-C", dir, "--strip-components=1", "--transform=s/certctl$/released/", "-xf", r.path(platform+".tar.gz"))
	if !bytes.Equal(readFile(t, filepath.Join(dir, "certctl")), readFile(t, filepath.Join(dir, "released"))) {
		t.Errorf("%s gives other bytes than the release has", build)
	}
}
