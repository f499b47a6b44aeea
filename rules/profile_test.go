package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/certctl/terraform-provider-certctl/api"
)

func TestPermits(t *testing.T) {
	open := api.ProfileSpec{
		AllowWildcardNames: true,
		AllowedDNSNames:    []string{"*", "literal.example.com", "*.one.example", "**.many.example"},
		AllowedIPRanges:    []string{"10.0.0.0/8", "2001:db8::/32"},
		AllowedURIs: []string{
			"spiffe://example.org/ns/*/sa/web", "spiffe://example.org/batch/**", "urn:opc.example.com:*:app", "urn:any.example.com:**",
			"https://example.com", "https://example.com:8443/a",
		},
		AllowedEmailDomains: []string{"example.com"},
	}
	closed := open
	closed.AllowWildcardNames = false
	everything := api.ProfileSpec{AllowedDNSNames: []string{"**"}, AllowedIPRanges: []string{"::/0"}}
	everythingAndWildcards := everything
	everythingAndWildcards.AllowWildcardNames = true

	for _, c := range []struct {
		spec  api.ProfileSpec
		allow bool
		names []string
	}{
		{api.ProfileSpec{AllowWildcardNames: true}, false, []string{"example.com", "*.example.com", "10.0.0.1", "spiffe://example.org/x", "ann@example.com"}},
		{open, true, []string{
			"literal.example.com", "localhost", "a.one.example", "*.one.example",
			"a.many.example", "b.a.many.example", "*.many.example", "*.a.many.example",
		}},
		{open, false, []string{
			"example.com", "x.literal.example.com", "xliteral.example.com", "*.literal.example.com",
			"literal.example.com.evil.example", "one.example", "b.a.one.example", "*.a.one.example", "many.example",
			"xmany.example", "a.xmany.example", "*.example.com", "one.example.a",
		}},
		{closed, true, []string{"a.one.example", "b.a.many.example"}},
		{closed, false, []string{"*.one.example", "*.many.example"}},
		{everything, true, []string{"localhost", "a.b.c", "2001:db8::1"}},
		{everything, false, []string{"*.example.com", "10.0.0.1", "ann@example.com", "https://example.com"}},
		{everythingAndWildcards, true, []string{"*.example.com"}},
		{open, true, []string{"10.255.0.1", "2001:db8:1::1"}},
		{open, false, []string{"11.0.0.1", "2001:db9::1"}},
		{open, true, []string{
			"spiffe://example.org/ns/prod/sa/web", "spiffe://example.org/batch/a",
			"spiffe://example.org/batch/a/b", "https://example.com", "https://example.com:8443/a",
			"urn:opc.example.com:vendor:app", "urn:any.example.com:a:b",
		}},
		{open, false, []string{
			"spiffe://example.org/ns/prod/x/sa/web", "spiffe://example.org/ns/sa/web",
			"urn:opc.example.com:vendor:x:app", "urn:opc.example.com:app", "urn:any.example.com.evil:a", "urn:opc.example.com:vendor:app2",
			"spiffe://example.org/ns/prod/sa/web2", "spiffe://example.org/ns/prod/sa/web/x", "spiffe://example.org/batch",
			"spiffe://example.org/batchx/a", "spiffe://example.org.evil.example/batch/a", "https://example.org/batch/a",
			"https://example.com/a", "https://example.com:8443", "https://example.com:443",
		}},
		{open, true, []string{"ann@example.com"}},
		{open, false, []string{"ann@sub.example.com", "ann@xexample.com", "ann@example.com.evil.example"}},
	} {
		for _, s := range c.names {
			n, err := ParseName(s)
			if err != nil {
				t.Fatal(err)
			}
			err = NewNamePatterns(c.spec).CheckName(n)
			if (err == nil) != c.allow {
				t.Errorf("NewNamePatterns(%+v).CheckName(%q) = %v, want allowed: %t", c.spec, s, err, c.allow)
			}
			if err != nil && !strings.Contains(err.Error(), s) {
				t.Errorf("%q does not name %q", err, s)
			}
		}
	}
	if NewNamePatterns(everything).CheckName(Name{}) == nil {
		t.Error("a name that nobody parsed is permitted")
	}
}

// TestCheckName_NeverBySubstring compares the matcher with its definition: a pattern matches a name only if they agree
// label by label. A star is one whole label.
func TestCheckName_NeverBySubstring(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "aa", "ab", "b", "example", "xexample"})
	labels := rapid.SliceOfN(label, 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		want, have := labels.Draw(t, "pattern"), labels.Draw(t, "name")
		stars := rapid.SampledFrom([]string{"", "*", "**"}).Draw(t, "stars")
		pattern := strings.TrimPrefix(stars+"."+strings.Join(want, "."), ".")
		n, err := ParseName(strings.Join(have, "."))
		if err != nil {
			t.Fatal(err)
		}
		extra := len(have) - len(want)
		allowed := extra >= 0 && slices.Equal(have[max(extra, 0):], want) &&
			(stars == "" && extra == 0 || stars == "*" && extra == 1 || stars == "**" && extra >= 1)
		if got := NewNamePatterns(api.ProfileSpec{AllowedDNSNames: []string{pattern}}).CheckName(n) == nil; got != allowed {
			t.Fatalf("%q permits %q: %t, want %t", pattern, n, got, allowed)
		}
	})
}

func TestCheckProfile(t *testing.T) {
	long := make([]string, 1001)
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprint(i)] = ""
	}
	for name, c := range map[string]struct {
		change func(*api.ProfileSpec)
		want   []string // pointers, each followed by part of its detail
	}{
		"defaults": {func(*api.ProfileSpec) {}, nil},
		"all that is allowed": {func(s *api.ProfileSpec) {
			s.AllowedKeyAlgorithms = []api.KeyAlgorithm{{Algorithm: "ECDSA", MinSize: 521}, {Algorithm: "RSA", MinSize: 8192}}
			s.AllowedEKUs = []string{"serverAuth", "clientAuth", "codeSigning", "emailProtection", "timeStamping"}
			s.AllowedDNSNames = []string{"**", "*", "*.com", "**.example.com", "example.com"}
			s.AllowedIPRanges = []string{"0.0.0.0/0", "::/0", "10.0.0.1/32"}
			s.AllowedURIs = []string{"spiffe://example.org/*/x/**", "https://example.com", "https://example.com/*"}
			s.AllowedEmailDomains = []string{"example.com"}
			s.MaxSANs, s.MaxTTLSeconds = 1000, 315360000
			s.Labels = map[string]string{strings.Repeat("é", 63): strings.Repeat("é", 255)}
		}, nil},
		"blank name":       {func(s *api.ProfileSpec) { s.Name = "  " }, []string{"/name", "blank"}},
		"padded name":      {func(s *api.ProfileSpec) { s.Name = "a\u00a0" }, []string{"/name", "white space"}},
		"unknown issuer":   {func(s *api.ProfileSpec) { s.IssuerID = "iss-x" }, []string{"/issuer_id", "iss-local"}},
		"no keys":          {func(s *api.ProfileSpec) { s.AllowedKeyAlgorithms = nil }, []string{"/allowed_key_algorithms", "empty"}},
		"no usages":        {func(s *api.ProfileSpec) { s.AllowedEKUs = nil }, []string{"/allowed_ekus", "empty"}},
		"too many":         {func(s *api.ProfileSpec) { s.AllowedDNSNames = long }, []string{"/allowed_dns_names", "1001"}},
		"too many labels":  {func(s *api.ProfileSpec) { s.Labels = many }, []string{"/labels", "65"}},
		"numbers too low":  {func(s *api.ProfileSpec) { s.MaxSANs, s.MaxTTLSeconds = 0, 3599 }, []string{"/max_sans", "0", "/max_ttl_seconds", "3599"}},
		"numbers too high": {func(s *api.ProfileSpec) { s.MaxSANs, s.MaxTTLSeconds = 1001, 315360001 }, []string{"/max_sans", "1001", "/max_ttl_seconds", "315360001"}},
		"keys": {func(s *api.ProfileSpec) {
			s.AllowedKeyAlgorithms = []api.KeyAlgorithm{
				{Algorithm: "ECDSA", MinSize: 224}, {Algorithm: "RSA"}, {Algorithm: "Ed25519", MinSize: 256}, {Algorithm: "DSA"}, {Algorithm: "RSA", MinSize: 8193},
			}
		}, []string{
			"/allowed_key_algorithms/0/min_size", "256, 384 or 521", "/allowed_key_algorithms/1/min_size", "2048",
			"/allowed_key_algorithms/2/min_size", "leave min_size out", "/allowed_key_algorithms/3/algorithm", "ECDSA",
			"/allowed_key_algorithms/4/min_size", "8192", "/allowed_key_algorithms/4", "already",
		}},
		"usages": {func(s *api.ProfileSpec) {
			s.AllowedEKUs = []string{"serverAuth", "anyExtendedKeyUsage", "OCSPSigning", "ServerAuth", "x", "serverAuth"}
		}, []string{
			"/allowed_ekus/1", "every use", "/allowed_ekus/2", "revocation", "/allowed_ekus/3", `write "serverAuth"`,
			"/allowed_ekus/4", "timeStamping", "/allowed_ekus/5", "already",
		}},
		"DNS patterns": {func(s *api.ProfileSpec) {
			s.AllowedDNSNames = []string{"**.Example.com", "a.*.com", "a*.com", "***", "**.", "", "a.com", "*.*.com", "a.com", "10.0.0.1"}
		}, []string{
			"/allowed_dns_names/0", `write "**.example.com"`, "/allowed_dns_names/1", "*", "/allowed_dns_names/2", "*",
			"/allowed_dns_names/3", "*", "/allowed_dns_names/4", "empty", "/allowed_dns_names/5", "empty", "/allowed_dns_names/7", "*",
			"/allowed_dns_names/8", "already", "/allowed_dns_names/9", "IPv4",
		}},
		"ranges": {func(s *api.ProfileSpec) {
			s.AllowedIPRanges = []string{"10.0.0.1/8", "10.0.0.1", "::ffff:10.0.0.0/104", "2001:DB8::/32", "x", "fe80::1%eth0/64"}
		}, []string{
			"/allowed_ip_ranges/0", `write "10.0.0.0/8"`, "/allowed_ip_ranges/1", `write "10.0.0.1/32"`, "/allowed_ip_ranges/2", "IPv4",
			"/allowed_ip_ranges/3", `write "2001:db8::/32"`, "/allowed_ip_ranges/4", "CIDR", "/allowed_ip_ranges/5", "CIDR",
		}},
		"URI patterns": {func(s *api.ProfileSpec) {
			s.AllowedURIs = []string{"HTTPS://Example.com/*", "https://*.example.com/", "https://example.com/a*", "https://example.com/**/a", "example.com", "https://example.com/*/"}
		}, []string{
			"/allowed_uris/0", `write "https://example.com/*"`, "/allowed_uris/1", "host", "/allowed_uris/2", "whole segment",
			"/allowed_uris/3", "last segment", "/allowed_uris/4", "://", "/allowed_uris/5", "slash",
		}},
		"e-mail domains": {func(s *api.ProfileSpec) {
			s.AllowedEmailDomains = []string{"@example.com", "Example.com", "*.example.com", "ann@example.com"}
		}, []string{
			"/allowed_email_domains/0", `write "example.com"`, "/allowed_email_domains/1", `write "example.com"`,
			"/allowed_email_domains/2", "wildcard", "/allowed_email_domains/3", "letters",
		}},
		"the whole certificate": {func(s *api.ProfileSpec) {
			s.AllowedEKUs, s.AllowedCommonNames = []string{"clientAuth"}, []string{"*", "system:node:*", "Web Server *", "a@b._-"}
			s.SubjectAttributes = api.SubjectAttributes{
				Organization: []string{"Example GmbH & Co. KG", "Société"}, OrganizationalUnit: []string{strings.Repeat("é", 64)}, Country: []string{"DE"},
				Province: []string{strings.Repeat("p", 128)}, Locality: []string{"Zürich"}, StreetAddress: []string{"Main Road 4"}, PostalCode: []string{"10115"},
			}
			s.KeyUsages = []string{"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment"}
			s.AllowUnderscores, s.AllowedDNSNames, s.CSRExtras = true, []string{"_ldap._tcp.example.com", "**.a_b.example"}, "refuse"
		}, nil},
		"subject attributes": {func(s *api.ProfileSpec) {
			s.SubjectAttributes = api.SubjectAttributes{
				Organization: []string{"", " a", "a  b", "a\u00adb", strings.Repeat("o", 65), "a", "a", "e\u0301"}, Country: []string{"de", "DEU", "D1"},
				PostalCode: []string{strings.Repeat("1", 41)}, Locality: make([]string, 17),
			}
		}, []string{
			"/subject_attributes/country/0", "upper-case", "/subject_attributes/country/1", "two", "/subject_attributes/country/2", "two",
			"/subject_attributes/locality", "17 values", "/subject_attributes/postal_code/0", "16",
			"/subject_attributes/organization/0", "blank", "/subject_attributes/organization/1", "white space", "/subject_attributes/organization/2", "two spaces",
			"/subject_attributes/organization/3", "invisible", "/subject_attributes/organization/4", "64", "/subject_attributes/organization/6", "already",
			"/subject_attributes/organization/7", "NFC",
		}},
		"common names": {func(s *api.ProfileSpec) {
			s.AllowedCommonNames = []string{"", "a**", "a/b", "ü", " a", "a  b", "a", "a", strings.Repeat("x", 65)}
		}, []string{
			"/allowed_common_names", "serverAuth", "/allowed_common_names/0", "empty", "/allowed_common_names/1", "one *",
			"/allowed_common_names/2", "character", "/allowed_common_names/3", "ASCII", "/allowed_common_names/4", "begins or ends",
			"/allowed_common_names/5", "two spaces", "/allowed_common_names/7", "already", "/allowed_common_names/8", "64",
		}},
		"key usages": {func(s *api.ProfileSpec) {
			s.KeyUsages = []string{"keyCertSign", "cRLSign", "nonRepudiation", "DigitalSignature", "x", "digitalSignature", "digitalSignature"}
		}, []string{
			"/key_usages/0", "CA", "/key_usages/1", "CA", "/key_usages/2", "contentCommitment", "/key_usages/3", `write "digitalSignature"`,
			"/key_usages/4", "keyAgreement", "/key_usages/6", "already",
		}},
		"key usages that do not fit": {func(s *api.ProfileSpec) {
			s.KeyUsages, s.AllowedEKUs = []string{"contentCommitment"}, []string{"emailProtection", "codeSigning"}
		}, []string{"/key_usages", "codeSigning"}},
		"no key usage":                    {func(s *api.ProfileSpec) { s.KeyUsages = []string{} }, []string{"/key_usages", "leave it out"}},
		"half a key usage":                {func(s *api.ProfileSpec) { s.KeyUsages = []string{"encipherOnly"} }, []string{"/key_usages", "keyAgreement"}},
		"key usages that no key has":      {func(s *api.ProfileSpec) { s.KeyUsages = []string{"keyAgreement", "keyEncipherment"} }, []string{"/key_usages", "no key"}},
		"an underscore without the field": {func(s *api.ProfileSpec) { s.AllowedDNSNames = []string{"a_b.example"} }, []string{"/allowed_dns_names/0", "allow_underscores"}},
		"other extras":                    {func(s *api.ProfileSpec) { s.CSRExtras = "drop" }, []string{"/csr_extras", "refuse"}},
		"labels": {func(s *api.ProfileSpec) {
			s.Labels = map[string]string{"": "x", "a/b~c": strings.Repeat("x", 256), strings.Repeat("k", 64): ""}
		}, []string{"/labels/", "key", "/labels/a~1b~0c", "256", "/labels/" + strings.Repeat("k", 64), "64"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := api.DefaultProfileSpec()
			spec.Name = "Production"
			c.change(&spec)
			faults := CheckProfile(spec, []string{"iss-local"})
			if len(faults)*2 != len(c.want) {
				t.Fatalf("got %q, want %q", faults, c.want)
			}
			for i, f := range faults {
				if f.Pointer != c.want[2*i] || !strings.Contains(f.Detail, c.want[2*i+1]) {
					t.Errorf("got %q, want %q", f, c.want[2*i:2*i+2])
				}
			}
		})
	}
}

func TestPermitsKey(t *testing.T) {
	spec := api.ProfileSpec{AllowedKeyAlgorithms: []api.KeyAlgorithm{{Algorithm: "ECDSA", MinSize: 384}, {Algorithm: "Ed25519"}}}
	got := map[api.Key]bool{}
	for _, k := range []api.Key{
		{Algorithm: "ECDSA", Size: 256},
		{Algorithm: "ECDSA", Size: 384},
		{Algorithm: "ECDSA", Size: 521},
		{Algorithm: "Ed25519", Size: 256},
		{Algorithm: "RSA", Size: 4096},
		{},
	} {
		got[k] = CheckKey(spec, k) == nil
	}
	want := map[api.Key]bool{
		{Algorithm: "ECDSA", Size: 256}: false, {Algorithm: "ECDSA", Size: 384}: true, {Algorithm: "ECDSA", Size: 521}: true,
		{Algorithm: "Ed25519", Size: 256}: true, {Algorithm: "RSA", Size: 4096}: false, {}: false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
