package rest_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every link to a heading of a page leads to one.
func TestPages_LinksLeadToHeadings(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/server/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("there are no pages: %v", err)
	}
	link := regexp.MustCompile(`\]\(([^)#:\s]*)#([^)\s]*)\)`)
	for _, page := range append(pages, "../../../README.md") {
		for _, found := range link.FindAllStringSubmatch(readText(t, page), -1) {
			target := page
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(page), found[1])
			}
			if !slices.Contains(listAnchors(readText(t, target)), found[2]) {
				t.Errorf("%s: %s leads to no heading", page, found[0])
			}
		}
	}
}

// listAnchors returns the anchors of the headings, as GitHub makes them.
func listAnchors(text string) []string {
	var anchors []string
	drop := regexp.MustCompile(`[^\p{L}\p{N}\- ]`)
	for line := range strings.Lines(text) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			words := strings.ToLower(strings.TrimSpace(heading))
			anchors = append(anchors, strings.ReplaceAll(drop.ReplaceAllString(words, ""), " ", "-"))
		}
	}
	return anchors
}
