package rules

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseName_ClassifiesAndKeepsCanonicalNames(t *testing.T) {
	for kind, names := range map[NameKind][]string{
		DNS: {
			"example.com", "localhost", "*.example.com", "a-b.3com.example", "xn--bcher-kva.example", "1.2.3.4.example",
			strings.Repeat("a", 63) + ".example", "_ldap._tcp.example.com", "*._x.example.com", "_.example.com", "0_1f",
		},
		IP:    {"10.0.0.1", "2001:db8::1", "::1"},
		URI:   {"spiffe://example.org/ns/prod/sa/web", "https://example.com", "https://10.0.0.1:8443/x", "https://[2001:db8::1]:8443", "ftp://h.example/user@x", "urn:example.com:MyService", "urn:opc1.example.com:Vendor:a/b@c", "spiffe://prod/ns/web", "spiffe://prod_1"},
		Email: {"ann.lee+x@example.com", "Ann@example.com"},
	} {
		for _, s := range names {
			n, err := ParseName(s)
			if err != nil {
				t.Errorf("ParseName(%q): %v", s, err)
				continue
			}
			if n.Kind() != kind || n.String() != s {
				t.Errorf("ParseName(%q) = %s %q, want %s", s, n.Kind(), n, kind)
			}
		}
	}
}

// TestParseName_Refuses names what the error must say: the reason, or the spelling to use.
func TestParseName_Refuses(t *testing.T) {
	for s, want := range map[string]string{
		"":                                      "empty",
		"Example.com":                           `write "example.com"`,
		"example.com.":                          `write "example.com"`,
		"*.Example.com":                         `write "*.example.com"`,
		"bücher.example":                        `write "xn--bcher-kva.example"`,
		"xn--a.example":                         "A-label",
		"ab--c.example":                         "A-label",
		"xn--bcher-kv_.example":                 "A-label",
		"-_.example":                            "hyphen",
		"_-.example":                            "hyphen",
		"*._tcp":                                "top-level",
		"a@_x.example":                          "underscore",
		"a..example":                            "empty label",
		"https://a_b.example/x":                 "underscore",
		"URN:Example.com:MyService":             `write "urn:example.com:MyService"`,
		"urn:example.com":                       "nothing after its namespace",
		"urn::a":                                "no namespace",
		"urn:a b:c":                             "no namespace",
		"urn:example.com:a::b":                  "empty segment",
		"urn:example.com:*":                     "only a profile's patterns",
		"https://prod/x":                        "single label",
		"spiffe://prod:443/x":                   "single label",
		"-a.example":                            "hyphen",
		"a-.example":                            "hyphen",
		"10.0.0.1/8":                            "letters, digits and hyphens",
		"example.com\x00":                       "letters, digits and hyphens",
		"010.0.0.1":                             "number",
		"example.1":                             "number",
		"example.0x1f":                          "number",
		"*":                                     "wildcard",
		"*.com":                                 "top-level",
		"*.com.":                                "top-level",
		"a.*.example.com":                       "wildcard",
		"f*.example.com":                        "wildcard",
		"*.*.example.com":                       "wildcard",
		"**.example.com":                        "wildcard",
		strings.Repeat("a", 64) + ".example":    "63",
		strings.Repeat("a.", 127) + "example":   "253",
		"*." + strings.Repeat("a.", 126) + "aa": "253",
		"fe80::1%eth0":                          `write "fe80::1"`,
		"::ffff:10.0.0.1":                       `write "10.0.0.1"`,
		"2001:DB8::1":                           `write "2001:db8::1"`,
		"2001:db8:0::1":                         `write "2001:db8::1"`,
		"SPIFFE://Example.org/A":                `write "spiffe://example.org/A"`,
		"https://example.com/":                  `write "https://example.com"`,
		"https://example.com/a/":                `write "https://example.com/a"`,
		"https://example.com//a":                "empty segment",
		"https://example.com/a/../b":            "segment",
		"https://example.com/.":                 "segment",
		"https://example.com/%2e%2e/b":          "percent-encoding",
		"https://example.com/a?b":               "query",
		"https://example.com/a#b":               "fragment",
		"https://user@example.com/a":            "user",
		"https://example.com\\a":                "host",
		"https://example.com/a b":               "character",
		"https://example.com/é":                 "ASCII",
		"https://*.example.com/a":               "*",
		"https://example.com/*":                 "*",
		"https://example.com:0443":              "port",
		"https://example.com:":                  "port",
		"https://[::1":                          "host",
		"https://[10.0.0.1]":                    "brackets",
		"https://[::ffff:10.0.0.1]":             "IPv4",
		"file:///etc/passwd":                    "host",
		"://example.com":                        "scheme",
		"1a://example.com":                      "scheme",
		"https://example.com/" + strings.Repeat("a", 2048): "2048",
		"ann@Example.com":                        `write "ann@example.com"`,
		"ann@bücher.example":                     `write "ann@xn--bcher-kva.example"`,
		"ann@lee@example.com":                    "more than one @",
		"@example.com":                           "before the @",
		"ann@":                                   "empty",
		"ann..lee@example.com":                   "dot-atom",
		".ann@example.com":                       "dot-atom",
		`"ann"@example.com`:                      "dot-atom",
		"änn@example.com":                        "ASCII",
		"ann@*.example.com":                      "wildcard",
		"ann@[10.0.0.1]":                         "domain",
		"ann@10.0.0.1":                           "number",
		strings.Repeat("a", 65) + "@example.com": "64",
	} {
		n, err := ParseName(s)
		if err == nil {
			t.Errorf("ParseName(%q) = %s %q, want an error with %q", s, n.Kind(), n, want)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("ParseName(%q): %q does not contain %q", s, err, want)
		}
		if n != (Name{}) {
			t.Errorf("ParseName(%q) gives %v beside its error", s, n)
		}
	}
}

// TestParseName_IsStable checks that an accepted name keeps its spelling and has no upper-case host, and that a suggested
// spelling is accepted. Go, which writes the certificate, must spell an accepted URI in the same way.
func TestParseName_IsStable(t *testing.T) {
	// Mostly right, so that a good part is accepted or has a spelling to suggest.
	const host = `[a-eA0-9-]{1,3}(\.[a-eZ]{1,3}){1,2}\.?`
	candidate := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`(\*\.)?`+host),
		rapid.StringMatching(`[a-fA0-9]{0,3}(:[a-f0-9]{0,2}){2,7}`),
		rapid.StringMatching(`[a-cA]{1,3}://`+host+`(:[0-9]{1,5})?(/[!-~]{1,3}){0,2}/?`),
		rapid.StringMatching(`[!-~]{1,3}@`+host),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := candidate.Draw(t, "s")
		n, err := ParseName(s)
		if err != nil {
			if _, hint, ok := strings.Cut(err.Error(), `; write "`); ok {
				if _, err := ParseName(strings.TrimSuffix(hint, `"`)); err != nil {
					t.Fatalf("the spelling suggested for %q is refused: %v", s, err)
				}
			}
			return
		}
		if again, err := ParseName(n.String()); err != nil || again != n || n.String() != s {
			t.Fatalf("%q became %q, then %q, %v", s, n, again, err)
		}
		if n.Kind() != URI {
			return
		}
		if u, err := url.Parse(s); err != nil || u.String() != s {
			t.Fatalf("Go spells %q as %v, %v", s, u, err)
		}
	})
}
