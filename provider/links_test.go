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

// Every relative link in the documentation has a target. The Registry links its own pages without .md.
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
			if strings.Contains(found[1], "://") {
				continue
			}
			target := filepath.Join(filepath.Dir(text), found[1])
			_, err := fs.Stat(root, target)
			if _, page := fs.Stat(root, target+".md"); err != nil && page != nil {
				t.Errorf("%s: %s leads nowhere", text, found[1])
			}
		}
	}
}
