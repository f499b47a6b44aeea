package provider_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// The provider's index page leads to a gated profile and a plan that stops. Its commands, run in one shell, print the
// output on the page.
func TestQuickStart(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	_, section, _ := strings.Cut(string(readFile(t, "../docs/index.md")), "## Stop a plan in five minutes")
	section, _, _ = strings.Cut(section, "\n## ")
	address := freeAddress(t)
	steps := stepsOf(strings.ReplaceAll(section, "127.0.0.1:8080", address))
	if len(steps) < 5 || !strings.Contains(steps[0].commands, "make build") {
		t.Fatalf("a newcomer needs other steps than these: %v", steps)
	}
	steps = steps[1:] // clone makes a clone with built binaries
	said := runQuickStart(t, steps, "CERTCTL_LISTEN="+address, "CERTCTL_METRICS_LISTEN=")
	for i, step := range steps {
		if !step.shown.MatchString(terraformtest.JoinLines(said[i])) {
			t.Errorf("%s\nsays something else than %s:\n%s", step.commands, step.shown, said[i])
		}
	}
}

// The commands for a provider without a release let Terraform plan without terraform init.
func TestQuickStart_UsesTheBuiltProvider(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	_, section, _ := strings.Cut(string(readFile(t, "../docs/index.md")), "### Use the provider that you built")
	steps := stepsOf(section)
	if len(steps) == 0 || !strings.Contains(steps[0].commands, "dev_overrides") {
		t.Fatalf("the page has no commands: %v", steps)
	}
	s := servertest.New(t)
	built, err := filepath.Glob(filepath.Join(filepath.Dir(terraformtest.NewMirror(t)), "registry.terraform.io/certctl/certctl/*/*"))
	if err != nil || len(built) != 1 {
		t.Fatal(built, err)
	}
	dir := clone(t)
	if err := os.Rename(filepath.Join(dir, "examples/provider/provider.tf"), filepath.Join(dir, "main.tf")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", steps[0].commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+built[0]+":"+os.Getenv("PATH"),
		"TF_CLI_ARGS=-no-color", "CERTCTL_ENDPOINT="+s.URL, "CERTCTL_API_KEY="+s.Key(t, "terraform"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "certctl_certificate_profile.web will be created") {
		t.Errorf("%v\n%s", err, out)
	}
}

// step is a block of commands, and their output.
type step struct {
	commands string
	shown    *regexp.Regexp
}

var shellBlock = regexp.MustCompile("(?s)```shell\n(.*?)```\n(?:\n```text\n(.*?)```)?")

func stepsOf(text string) (steps []step) {
	for _, m := range shellBlock.FindAllStringSubmatch(text, -1) {
		shown := regexp.QuoteMeta(strings.Join(strings.Fields(m[2]), " "))
		shown = strings.ReplaceAll(shown, `ar-\.\.\.`, `ar-\w+`)
		steps = append(steps, step{m[1], regexp.MustCompile(strings.ReplaceAll(shown, ` \.\.\. `, ` .*`))})
	}
	return steps
}

// runQuickStart runs the steps in a clone with built binaries, and returns their output.
func runQuickStart(t *testing.T, steps []step, env ...string) []string {
	t.Helper()
	const end = "=== end of step ==="
	script := "exec 2>&1; trap 'kill $(jobs -p)' EXIT\n"
	for _, step := range steps {
		script += step.commands + "echo '" + end + "'\n"
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = clone(t)
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(cmd.Dir, "bin")+":"+os.Getenv("PATH"), "TF_CLI_CONFIG_FILE="+terraformtest.NewMirror(t), "TF_CLI_ARGS=-no-color", "CHECKPOINT_DISABLE=1")
	out, err := cmd.CombinedOutput()
	said := strings.Split(string(out), end)
	if err != nil || len(said) != len(steps)+1 {
		t.Fatalf("%v\n%s", err, out)
	}
	return said
}

// clone returns a directory like a clone after make build.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"bin", "examples/provider"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bin", "certctl"), "../server/cmd/certctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	if err := os.Symlink(os.Getenv("TF_ACC_TERRAFORM_PATH"), filepath.Join(dir, "bin", "terraform")); err != nil {
		t.Fatal(err)
	}
	const example = "examples/provider/provider.tf"
	if err := os.WriteFile(filepath.Join(dir, example), readFile(t, filepath.Join("..", example)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// freeAddress returns an address without a listener.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
