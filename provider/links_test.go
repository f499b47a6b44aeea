package provider_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)

// registry is the address of the pages in docs/ on the Registry.
const registry = "https://registry.terraform.io/providers/certctl/certctl/latest/"

// firstPage is the page that the Registry shows at an address without a slash at the end. A relative link on that page leads
// to another address than on GitHub, and exists on neither.
const firstPage = "docs/index.md"

// Every relative link in the documentation has a target, and every link to a page on the Registry. The Registry links its
// own pages without .md. Its first page has no relative link.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := os.DirFS("..")
	texts := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
	err := fs.WalkDir(root, "docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			texts = append(texts, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		content, err := fs.ReadFile(root, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(content), -1) {
			target := filepath.Join(filepath.Dir(text), found[1])
			switch page, ok := strings.CutPrefix(found[1], registry); {
			case ok:
				target = page
			case strings.Contains(found[1], "://"):
				continue
			case text == firstPage:
				t.Errorf("%s: the link %s is relative", text, found[1])
			}
			_, err := fs.Stat(root, target)
			if _, page := fs.Stat(root, target+".md"); err != nil && page != nil {
				t.Errorf("%s: %s leads nowhere", text, found[1])
			}
		}
	}
}
