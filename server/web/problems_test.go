package web

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// A code without a status would become an internal error.
func TestKinds_DescribeEveryCodeAsTheAPIPageDoes(t *testing.T) {
	page, err := os.ReadFile("../../docs/server/api.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../api/problems.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code\w+\s+Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) != len(kinds) {
		t.Errorf("there are %d codes, and %d have a status", len(codes), len(kinds))
	}
	for _, code := range codes {
		k := kinds[api.Code(code[1])]
		if http.StatusText(k.Status) == "" || k.Title == "" || k.When == "" {
			t.Errorf("%s has status %d, title %q and meaning %q", code[1], k.Status, k.Title, k.When)
		}
		row := fmt.Sprintf("| `%s` | %d | %s |", code[1], k.Status, k.When)
		if !strings.Contains(string(page), row) {
			t.Errorf("the page does not have the row %s", row)
		}
	}
}
