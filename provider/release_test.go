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

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

const project = "terraform-provider-certctl"

// release is the output of make release-snapshot in dist/, as the Registry would publish it.
type release struct {
	version string
	files   map[string][]byte // by their published names
}

// readRelease reads the release that make test-release has built.
func readRelease(t *testing.T) release {
	t.Helper()
	dist := os.Getenv("CERTCTL_TEST_DIST")
	if dist == "" {
		t.Skip("needs a release: make test-release")
	}
	r := release{files: map[string][]byte{}}
	published := filepath.Join(dist, "publish")
	paths, err := filepath.Glob(filepath.Join(published, project+"_*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there is no release in %s: %v", published, err)
	}
	for _, path := range append(paths, filepath.Join(published, "public-key.asc")) {
		name := filepath.Base(path)
		r.files[name] = readFile(t, path)
		if version, is := strings.CutSuffix(name, "_SHA256SUMS"); is {
			r.version = strings.TrimPrefix(version, project+"_")
		}
	}
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

// name returns the name of a file of the release.
func (r release) name(part string) string { return project + "_" + r.version + "_" + part }

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

// withChangedFile returns the release with another content of one file.
func (r release) withChangedFile(name string, content []byte) release {
	r.files = maps.Clone(r.files)
	r.files[name] = content
	return r
}

// flipBit returns the content with one changed bit.
func flipBit(content []byte) []byte {
	content = bytes.Clone(content)
	content[len(content)/2] ^= 1
	return content
}

// SHA256SUMS lists a zip for each platform, and the manifest. Each binary has a bill of materials.
func TestRelease_HasEveryFile(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
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

// ServeHTTP is a registry with this release.
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

// download is the answer of a registry about one platform. The checksum is the one in SHA256SUMS.
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

// install returns a workspace that installs the provider from a registry with this release.
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
	w.Write(t, "main.tf", strings.Replace(terraformtest.Provider, `"certctl/certctl"`, fmt.Sprintf("\"certctl/certctl\"\n      version = %q", r.version), 1)+minimalProfile("CDN"))
	return w
}

var checkSignature = regexp.MustCompile(`\((?:self-)?signed, key ID [0-9A-F]+\)`)

// The release installs as from the Registry, with a verified signature, and works.
func TestRelease_Installs(t *testing.T) {
	t.Parallel()
	w := readRelease(t).install(t, servertest.New(t))
	if out := w.Run(t, 0, "init", "-no-color"); !checkSignature.MatchString(out) {
		t.Errorf("no signature was verified:\n%s", out)
	}
	w.Run(t, 0, "plan", "-no-color")
	w.Run(t, 0, terraformtest.Apply...)
	w.ExpectNoChanges(t)
}

// A changed byte is refused unless the release is signed again.
func TestRelease_OneChangedByteIsRefused(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	archive, sums := r.name(runtime.GOOS+"_"+runtime.GOARCH+".zip"), r.name("SHA256SUMS")
	other := flipBit(r.files[archive])
	forged := bytes.ReplaceAll(r.files[sums], []byte(sum(r.files[archive])), []byte(sum(other)))
	s := servertest.New(t)
	for name, tc := range map[string]struct {
		release release
		want    string
	}{
		"the zip":             {r.withChangedFile(archive, other), "checksum"},
		"the zip and its sum": {r.withChangedFile(archive, other).withChangedFile(sums, forged), "signature"},
		"the signature":       {r.withChangedFile(sums+".sig", flipBit(r.files[sums+".sig"])), "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustSay(t, terraformtest.JoinLines(tc.release.install(t, s).Run(t, 1, "init", "-no-color")), tc.want)
		})
	}
}

// The page on upgrading leads to the released binary, byte for byte, in another directory and without a build cache.
func TestRelease_IsReproducible(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
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
	if !bytes.Equal(readFile(t, filepath.Join(dir, binary)), unpack(t, r.files[r.name(runtime.GOOS+"_"+runtime.GOARCH+".zip")], binary)) {
		t.Errorf("%s gives other bytes than the release has", command)
	}
}

// unpack returns the one file of an archive.
func unpack(t *testing.T, archive []byte, name string) []byte {
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
