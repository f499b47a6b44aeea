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

// Binaries says that a test works with the binaries. Call it before t.Parallel: parallel tests begin when all that
// are not have ended, so each of them holds the same build.
func Binaries(t testing.TB) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("needs Terraform: set TF_ACC=1")
	}
	servertest.NeedSQLite(t) // the binaries are no business of the race detector
	built.Lock()
	defer built.Unlock()
	if built.users == 0 {
		built.dir, built.err = build()
	}
	built.users++
	t.Cleanup(func() {
		built.Lock()
		defer built.Unlock()
		if built.users--; built.users == 0 {
			_ = os.RemoveAll(built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
}

var built struct {
	sync.Mutex
	users int
	dir   string
	err   error
}

// build makes the provider, and the CLI configuration that points to it.
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

// Overrides is a CLI configuration by which the provider is the binary in a directory, whichever registry it is taken to
// come from.
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

// Mirror gives the CLI configuration that installs the provider as if it were in the registry.
func Mirror(t testing.TB) (rc string) {
	t.Helper()
	dir := t.TempDir()
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		place := filepath.Join(dir, host, "certctl/certctl/0.1.0", runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(built.dir, place); err != nil {
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
