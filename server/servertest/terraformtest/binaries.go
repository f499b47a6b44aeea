package terraformtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// UseBinaries builds the provider for a test. Call it before t.Parallel: parallel tests start after all others have ended,
// so each of them uses the same build.
func UseBinaries(t testing.TB) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("needs Terraform: set TF_ACC=1")
	}
	servertest.NeedSQLite(t) // the race detector does not reach the binaries
	binaries.Lock()
	defer binaries.Unlock()
	if binaries.users == 0 {
		binaries.dir, binaries.err = build()
	}
	binaries.users++
	t.Cleanup(func() {
		binaries.Lock()
		defer binaries.Unlock()
		if binaries.users--; binaries.users == 0 {
			_ = os.RemoveAll(binaries.dir)
		}
	})
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
}

var binaries struct {
	sync.Mutex
	users int
	dir   string
	err   error
}

// build makes the provider, and the CLI configuration for it.
func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "provider-"); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "terraform-provider-certctl"), "github.com/certctl/terraform-provider-certctl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	return dir, os.WriteFile(filepath.Join(dir, "terraform.rc"), []byte(Overrides(dir)), 0o600)
}

// Overrides returns a CLI configuration that takes the provider from a directory, for every registry address.
func Overrides(dir string) string {
	return fmt.Sprintf(`provider_installation {
  dev_overrides {
    "registry.terraform.io/certctl/certctl" = %q
    "registry.opentofu.org/certctl/certctl" = %[1]q
    "registry.example.com/fork/certctl"     = %[1]q
  }
}
`, dir)
}

// NewMirror returns the CLI configuration that installs the provider as from a registry.
func NewMirror(t testing.TB) (rc string) {
	t.Helper()
	dir := t.TempDir()
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		place := filepath.Join(dir, host, "certctl/certctl/0.1.0", runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(binaries.dir, place); err != nil {
			t.Fatal(err)
		}
	}
	rc = filepath.Join(dir, "terraform.rc")
	text := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", dir)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return rc
}
