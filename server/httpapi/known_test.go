package httpapi

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// A code without a status would be told as an internal error.
func TestEveryCodeHasAStatus(t *testing.T) {
	source, err := os.ReadFile("../../api/problems.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code\w+\s+Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) != len(known) {
		t.Errorf("there are %d codes, and %d have a status", len(codes), len(known))
	}
	for _, code := range codes {
		if k := known[api.Code(code[1])]; http.StatusText(k.status) == "" || k.title == "" {
			t.Errorf("%s has status %d and title %q", code[1], k.status, k.title)
		}
	}
}
