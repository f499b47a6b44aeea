package provider_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// beforeTheFirstRelease is the start of an upgrade while there is no tag.
const beforeTheFirstRelease = "1a1fc734d999f99dc84bb0f5e55d2afe1c3cd54b"

// After an upgrade the plan is empty, also while a request waits, and the state of the older provider still works.
func TestUpgrade_PlansNothing(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	before := firstFields + "}\n" + certificate(s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t), www, "") + readPending
	w := newWorkspace(t, s, s.URL, before)
	older := w
	older.Env = append(older.Env, "TF_CLI_CONFIG_FILE="+lastRelease(t))
	older.Run(t, 0, terraformtest.Apply...)

	w.ExpectNoChanges(t)
	waits := w.State(t)[certificateAddress].Values
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), waits["approval_id"].(string), api.Decision{}); err != nil {
		t.Fatal(err)
	}
	s.WaitUntilFinalAsVera(t, waits["job_id"].(string))
	w.ExpectNoChanges(t)

	// The state of the older provider has the certificate, and lacks the newer outputs.
	older.Run(t, 0, append(slices.Clone(terraformtest.Apply), "-refresh-only")...)
	w.ExpectNoChanges(t)
	direct := w
	direct.Dir = t.TempDir()
	if err := os.CopyFS(direct.Dir, os.DirFS(w.Dir)); err != nil {
		t.Fatal(err)
	}
	direct.Run(t, 0, append(slices.Clone(terraformtest.Apply), "-refresh=false")...)
	direct.ExpectNoChanges(t)
	w.Configure(t, strings.Replace(before, "line two", "another line", 1))
	w.Run(t, 0, terraformtest.Apply...)
	w.ExpectNoChanges(t)
}

// lastRelease builds the provider of the last tag before this commit, and returns the CLI configuration for it.
func lastRelease(t *testing.T) (rc string) {
	t.Helper()
	dir := t.TempDir()
	commit := beforeTheFirstRelease
	if tag, err := exec.CommandContext(t.Context(), "git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^").Output(); err == nil {
		commit = strings.TrimSpace(string(tag))
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
		`git -C .. archive "$0" | tar -x -C "$1" && cd "$1" && go build -buildvcs=false -o terraform-provider-certctl .`, commit, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the provider of %s, which takes the whole history of git: %v\n%s", commit, err, out)
	}
	rc = filepath.Join(dir, "terraform.rc")
	if err := os.WriteFile(rc, []byte(terraformtest.Overrides(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return rc
}
