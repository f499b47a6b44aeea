package rules_test

import (
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/rules"
)

func TestCheckHandle(t *testing.T) {
	for id, want := range map[string]bool{
		"alice": true, "a": true, "a.b_c-9": true, "systematic": true, "a" + strings.Repeat("b", 62): true,
		"": false, "9a": false, "-a": false, "Alice": false, "a b": false, "müller": false, "a\n": false, "a" + strings.Repeat("b", 63): false,
		"system-": false, "system-issuer": false,
	} {
		if err := rules.CheckHandle(id); (err == nil) != want {
			t.Errorf("%q: %v", id, err)
		}
	}
}
