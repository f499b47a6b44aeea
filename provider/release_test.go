package provider_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/provider/terraformtest"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const project = "terraform-provider-certctl"

// release is what `make release-snapshot` leaves in dist/, as the Registry would take it.
type release struct {
	version string
	files   map[string][]byte // by the name that they are published under
}

// theRelease reads the one that `make test-release` has built.
func theRelease(t *testing.T) release {
	t.Helper()
	dist := os.Getenv("CERTCTL_TEST_DIST")
	if dist == "" {
		t.Skip("needs a release: make test-release")
	}
	r := release{files: map[string][]byte{}}
	paths, err := filepath.Glob(filepath.Join(dist, project+"_*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there is no release in %s: %v", dist, err)
	}
	for _, path := range append(paths, filepath.Join(dist, "public-key.asc")) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
		name := filepath.Base(path)
		r.files[name] = readFile(t, path)
		if version, is := strings.CutSuffix(name, "_SHA256SUMS"); is {
			r.version = strings.TrimPrefix(version, project+"_")
		}
	}
	r.files[r.name("manifest.json")] = readFile(t, "../terraform-registry-manifest.json")
	return r
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// name is what a file of the release is called.
func (r release) name(part string) string { return project + "_" + r.version + "_" + part }

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

// changed is the release with another content of one file.
func (r release) changed(name string, content []byte) release {
	r.files = maps.Clone(r.files)
	r.files[name] = content
	return r
}

// flipped is a content with one bit changed.
func flipped(content []byte) []byte {
	content = bytes.Clone(content)
	content[len(content)/2] ^= 1
	return content
}

// The Registry shows what SHA256SUMS lists: a zip for each platform, and the manifest. Each binary comes with what it
// is made of.
func TestRelease_IsWhole(t *testing.T) {
	t.Parallel()
	r := theRelease(t)
	want := []string{r.name("manifest.json")}
	for _, platform := range []string{
		"darwin_amd64", "darwin_arm64", "freebsd_386", "freebsd_amd64", "freebsd_arm", "freebsd_arm64",
		"linux_386", "linux_amd64", "linux_arm", "linux_arm64", "windows_386", "windows_amd64", "windows_arm64",
	} {
		want = append(want, r.name(platform+".zip"), r.name(platform+".cdx.json"))
	}
	var got []string
	for line := range strings.Lines(string(r.files[r.name("SHA256SUMS")])) {
		digest, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got = append(got, name)
		if digest != sum(r.files[name]) {
			t.Errorf("SHA256SUMS is wrong about %s", name)
		}
		if strings.HasSuffix(name, ".cdx.json") && !bytes.Contains(r.files[name], []byte("terraform-plugin-framework")) {
			t.Errorf("%s does not say what the provider is made of", name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// ServeHTTP is a registry that has this one release.
func (r release) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	const at = "/v1/providers/certctl/certctl/"
	rest, isProvider := strings.CutPrefix(req.URL.Path, at)
	var platform struct{ os, arch string }
	if fields := strings.Split(rest, "/"); isProvider && len(fields) == 4 && fields[0] == r.version && fields[1] == "download" {
		platform.os, platform.arch = fields[2], fields[3]
	}
	switch file, isFile := strings.CutPrefix(req.URL.Path, "/files/"); {
	case isProvider && rest == "versions":
		_ = json.NewEncoder(w).Encode(map[string]any{"versions": []any{map[string]any{
			"version": r.version, "protocols": r.protocols(), "platforms": []any{map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH}},
		}}})
	case platform.os != "":
		_ = json.NewEncoder(w).Encode(r.download(platform.os, platform.arch))
	case isFile && r.files[file] != nil:
		_, _ = w.Write(r.files[file])
	default:
		http.NotFound(w, req)
	}
}

func (r release) protocols() []string {
	var manifest struct {
		Metadata struct {
			Protocols []string `json:"protocol_versions"`
		}
	}
	_ = json.Unmarshal(r.files[r.name("manifest.json")], &manifest)
	return manifest.Metadata.Protocols
}

// download is what a registry says of one platform; the checksum is the one in SHA256SUMS.
func (r release) download(goos, arch string) map[string]any {
	archive, sums := r.name(goos+"_"+arch+".zip"), r.name("SHA256SUMS")
	digest := ""
	for line := range strings.Lines(string(r.files[sums])) {
		if d, is := strings.CutSuffix(strings.TrimSpace(line), "  "+archive); is {
			digest = d
		}
	}
	return map[string]any{
		"protocols": r.protocols(), "os": goos, "arch": arch, "filename": archive, "shasum": digest,
		"download_url": "/files/" + archive, "shasums_url": "/files/" + sums, "shasums_signature_url": "/files/" + sums + ".sig",
		"signing_keys": map[string]any{"gpg_public_keys": []any{map[string]any{"ascii_armor": string(r.files["public-key.asc"])}}},
	}
}

// install is a workspace that gets the provider from a registry with this release.
func (r release) install(t *testing.T, s *servertest.Server) workspace {
	t.Helper()
	registry := httptest.NewServer(r)
	t.Cleanup(registry.Close)
	w := newWorkspace(t, s, s.URL, "")
	var rc strings.Builder
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		fmt.Fprintf(&rc, "host %q {\n  services = { \"providers.v1\" = \"%s/v1/providers/\" }\n}\n", host, registry.URL)
	}
	w.Write(t, "terraform.rc", rc.String())
	w.Env = append(w.Env, "TF_CLI_CONFIG_FILE="+filepath.Join(w.Dir, "terraform.rc"))
	w.Write(t, "main.tf", strings.Replace(terraformtest.Provider, `"certctl/certctl"`, fmt.Sprintf("\"certctl/certctl\"\n      version = %q", r.version), 1)+minimal("CDN"))
	return w
}

var signed = regexp.MustCompile(`\((?:self-)?signed, key ID [0-9A-F]+\)`)

// The files of the release install as from the Registry, signature verified, and work.
func TestRelease_Installs(t *testing.T) {
	t.Parallel()
	w := theRelease(t).install(t, servertest.New(t))
	if out := w.Run(t, 0, "init", "-no-color"); !signed.MatchString(out) {
		t.Errorf("no signature was verified:\n%s", out)
	}
	w.Run(t, 0, "plan", "-no-color")
	w.Run(t, 0, terraformtest.Apply...)
	w.Settled(t)
}

// Whoever changes a byte of what is installed would also have to sign it.
func TestRelease_OneChangedByteIsRefused(t *testing.T) {
	t.Parallel()
	r := theRelease(t)
	archive, sums := r.name(runtime.GOOS+"_"+runtime.GOARCH+".zip"), r.name("SHA256SUMS")
	other := flipped(r.files[archive])
	forged := bytes.ReplaceAll(r.files[sums], []byte(sum(r.files[archive])), []byte(sum(other)))
	s := servertest.New(t)
	for name, tc := range map[string]struct {
		release release
		want    string
	}{
		"the zip":             {r.changed(archive, other), "checksum"},
		"the zip and its sum": {r.changed(archive, other).changed(sums, forged), "signature"},
		"the signature":       {r.changed(sums+".sig", flipped(r.files[sums+".sig"])), "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			says(t, terraformtest.Prose(tc.release.install(t, s).Run(t, 1, "init", "-no-color")), tc.want)
		})
	}
}

// Whoever follows the page on upgrading gets the released binary, byte for byte, in another directory and without
// anything that was compiled before.
func TestRelease_CanBeMadeAgain(t *testing.T) {
	t.Parallel()
	r := theRelease(t)
	command := regexp.MustCompile(`(?m)^CGO_ENABLED=0 go build .*$`).FindString(string(readFile(t, "../docs/guides/upgrading.md")))
	if command == "" {
		t.Fatal("the page on upgrading has no command to build the provider")
	}
	command = strings.ReplaceAll(command, "0.1.0", r.version)
	dir := t.TempDir()
	export := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
		`cd .. && git ls-files -z --cached --others --exclude-standard -- '*.go' go.mod go.sum | tar -c --ignore-failed-read --null -T - | tar -x -C "$0" && cd "$0" && `+command, dir)
	export.Env = append(os.Environ(), "GOCACHE="+filepath.Join(t.TempDir(), "cache"))
	if out, err := export.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary := project + "_v" + r.version
	if !bytes.Equal(readFile(t, filepath.Join(dir, binary)), unpacked(t, r.files[r.name(runtime.GOOS+"_"+runtime.GOARCH+".zip")], binary)) {
		t.Errorf("%s gives other bytes than the release has", command)
	}
}

// unpacked is the one file of an archive.
func unpacked(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || len(z.File) != 1 || z.File[0].Name != name {
		t.Fatalf("the zip holds other files than %s alone: %v", name, err)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
