package rules

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

func TestCheckCertificate(t *testing.T) {
	p := api.DefaultProfileSpec()
	p.AllowedDNSNames = []string{"**.example.com"}
	p.AllowedURIs = []string{"spiffe://example.com/*"}
	p.AllowedKeyAlgorithms = []api.KeyAlgorithm{{Algorithm: api.AlgorithmECDSA, MinSize: 256}}
	p.MaxSANs = 3
	pemText := request(x509.CertificateRequest{Subject: pkix.Name{CommonName: "a.example.com"}}, p256Key())
	long := strings.Repeat("a", 63) + ".example.com"
	seconds := func(n int64) *int64 { return &n }

	for name, c := range map[string]struct {
		change func(*api.CertificateSpec)
		want   []string // pointers, each followed by part of its detail
	}{
		"an underscore":    {func(s *api.CertificateSpec) { s.SANs[1] = "a_b.example.com" }, []string{"/sans/1", "allow_underscores"}},
		"good":             {func(*api.CertificateSpec) {}, nil},
		"no common name":   {func(s *api.CertificateSpec) { s.CommonName = "" }, nil},
		"early renewal":    {func(s *api.CertificateSpec) { s.RenewBeforeSeconds = seconds(3888000) }, nil},
		"constant renewal": {func(s *api.CertificateSpec) { s.RenewBeforeSeconds = seconds(3888001) }, []string{"/renew_before_seconds", "half of the 7776000"}},
		"no renewal":       {func(s *api.CertificateSpec) { s.RenewBeforeSeconds = seconds(0) }, []string{"/renew_before_seconds", "positive"}},
		"another CN":       {func(s *api.CertificateSpec) { s.CommonName = "b.example.com" }, []string{"/common_name", "not one of the sans"}},
		"URI as CN":        {func(s *api.CertificateSpec) { s.CommonName = "spiffe://example.com/a" }, []string{"/common_name", "URI"}},
		"long CN":          {func(s *api.CertificateSpec) { s.SANs[1], s.CommonName = long, long }, []string{"/common_name", "64"}},
		"labels":           {func(s *api.CertificateSpec) { s.Labels = map[string]string{"": ""} }, []string{"/labels/", "key"}},
		"a thousand SANs":  {func(s *api.CertificateSpec) { s.SANs, s.CommonName = make([]string, 1001), "" }, []string{"/sans", "1001"}},
		"no SANs": {
			func(s *api.CertificateSpec) { s.SANs, s.CommonName = nil, "" },
			[]string{"/sans", "at least one", "/csr_pem", "common name"},
		},
		"every SAN": {func(s *api.CertificateSpec) {
			s.SANs = []string{"a.example.com", "A.example.com", "10.0.0.1", "*.example.com", "a.example.com", "evil.example"}
		}, []string{
			"/sans", "6", "/sans/1", `write "a.example.com"`, "/sans/2", "allowed_ip_ranges", "/sans/3", "allow_wildcard_names",
			"/sans/4", "already", "/sans/5", "evil.example",
		}},
		"no CSR":        {func(s *api.CertificateSpec) { s.CSRPEM = "" }, []string{"/csr_pem", "required"}},
		"a greedy CSR":  {func(s *api.CertificateSpec) { s.CSRPEM = withExtensions(rawSAN(2, "evil.example.com")) }, []string{"/csr_pem", "evil.example.com"}},
		"a refused key": {func(s *api.CertificateSpec) { s.CSRPEM = request(x509.CertificateRequest{}, rsaKey()) }, []string{"/csr_pem", "does not allow RSA"}},
		"a larger key":  {func(s *api.CertificateSpec) { s.CSRPEM = request(x509.CertificateRequest{}, newECDSA(elliptic.P384())) }, nil},
		"everything at once": {func(s *api.CertificateSpec) {
			s.CommonName, s.SANs[0], s.CSRPEM, s.RenewBeforeSeconds = "x", "y", "z", seconds(-1)
			s.Labels = map[string]string{"k": strings.Repeat("v", 256)}
		}, []string{"/common_name", "sans", "/sans/0", `"y"`, "/csr_pem", "PEM", "/renew_before_seconds", "positive", "/labels/k", "256"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := api.DefaultCertificateSpec()
			spec.CommonName, spec.CSRPEM = "a.example.com", pemText
			spec.SANs = []string{"a.example.com", "b.c.example.com", "spiffe://example.com/a"}
			c.change(&spec)
			_, faults := CheckCertificate(spec, p)
			if len(faults)*2 != len(c.want) {
				t.Fatalf("got %s, want %q", fmt.Sprintf("%q", faults), c.want)
			}
			for i, f := range faults {
				if f.Pointer != c.want[2*i] || !strings.Contains(f.Detail, c.want[2*i+1]) {
					t.Errorf("got %q, want %q", f, c.want[2*i:2*i+2])
				}
			}
		})
	}
}

// A profile without serverAuth may allow common names that are no SANs. Then the sans may be empty.
func TestCheckCertificate_CommonNameOutsideTheSANs(t *testing.T) {
	t.Parallel()
	users := api.DefaultProfileSpec()
	users.AllowedEKUs, users.AllowedCommonNames, users.AllowedDNSNames = []string{"clientAuth"}, []string{"app_*", "system:node:*"}, []string{"**"}
	servers := users
	servers.AllowedEKUs = []string{"clientAuth", "serverAuth"} // no such profile can be stored
	csr := request(x509.CertificateRequest{}, p256Key())
	for name, c := range map[string]struct {
		commonName string
		sans       []string
		profile    api.ProfileSpec
		want       []string // pointers
	}{
		"a user alone":               {"app_rw", nil, users, nil},
		"a user and a host":          {"app_rw", []string{"db.example.com"}, users, nil},
		"the shortest":               {"app_", nil, users, nil},
		"a node":                     {"system:node:worker-1.example.com", nil, users, nil},
		"a name among the sans":      {"db.example.com", []string{"db.example.com"}, users, nil},
		"nothing":                    {"", nil, users, []string{"/sans"}},
		"another user":               {"an_app_rw", nil, users, []string{"/common_name"}},
		"another case":               {"APP_rw", nil, users, []string{"/common_name"}},
		"a character outside":        {"app_rw/admin", nil, users, []string{"/common_name"}},
		"a space at the end":         {"app_rw ", nil, users, []string{"/common_name"}},
		"two spaces":                 {"app_r  w", nil, users, []string{"/common_name"}},
		"too long":                   {"app_" + strings.Repeat("x", 61), nil, users, []string{"/common_name"}},
		"a server":                   {"app_rw", []string{"db.example.com"}, servers, []string{"/common_name"}},
		"a server without sans":      {"app_rw", nil, servers, []string{"/common_name"}},
		"no profile that allows one": {"app_rw", nil, api.DefaultProfileSpec(), []string{"/common_name", "/sans"}},
	} {
		spec := api.CertificateSpec{CommonName: c.commonName, SANs: c.sans, CSRPEM: csr}
		_, faults := CheckCertificate(spec, c.profile)
		var got []string
		for _, f := range faults {
			got = append(got, f.Pointer)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}

func TestMatchRuns(t *testing.T) {
	t.Parallel()
	for pattern, names := range map[string]map[string]bool{
		"abc":   {"abc": true, "abcd": false, "d-abc": false, "": false},
		"*":     {"": true, "anything at all": true},
		"a*":    {"a": true, "ab": true, "ba": false, "": false},
		"*a":    {"a": true, "ba": true, "ab": false, "aba": true},
		"a*a":   {"aa": true, "aba": true, "a": false, "ab": false},
		"a*b*c": {"abc": true, "a-b-c": true, "acb": false, "ab": false, "a-bb-cc": true},
		"*b*":   {"b": true, "abc": true, "ac": false},
		"*ab":   {"aab": true, "abab": true, "aba": false},
	} {
		for name, want := range names {
			if got := matchRuns(pattern, name); got != want {
				t.Errorf("matchRuns(%q, %q) = %t", pattern, name, got)
			}
		}
	}
}

func TestKeyUsages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names     []string
		algorithm string
		want      x509.KeyUsage // 0: refused
	}{
		"RSA":            {nil, api.AlgorithmRSA, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment},
		"ECDSA":          {nil, api.AlgorithmECDSA, x509.KeyUsageDigitalSignature},
		"Ed25519":        {nil, api.AlgorithmEd25519, x509.KeyUsageDigitalSignature},
		"signatures":     {[]string{"contentCommitment", "digitalSignature"}, api.AlgorithmEd25519, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment},
		"OPC UA":         {[]string{"dataEncipherment", "keyEncipherment"}, api.AlgorithmRSA, x509.KeyUsageDataEncipherment | x509.KeyUsageKeyEncipherment},
		"OPC UA, ECDSA":  {[]string{"dataEncipherment"}, api.AlgorithmECDSA, 0},
		"agreement":      {[]string{"keyAgreement", "encipherOnly"}, api.AlgorithmECDSA, x509.KeyUsageKeyAgreement | x509.KeyUsageEncipherOnly},
		"agreement, RSA": {[]string{"keyAgreement"}, api.AlgorithmRSA, 0},
		"a CA":           {[]string{"keyCertSign"}, api.AlgorithmRSA, 0},
		"an unknown one": {[]string{"x"}, api.AlgorithmRSA, 0},
	} {
		got, err := KeyUsages(c.names, c.algorithm)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// Digests from before these fields existed stay, so the fields are left out at their defaults.
func TestSubject_LeavesOutDefaults(t *testing.T) {
	t.Parallel()
	spec := api.DefaultProfileSpec()
	for name, c := range map[string]struct {
		subject any
		want    string
	}{
		"issuance": {ProfileContent(spec), `{"extended_key_usages":["serverAuth"],"issuer_id":"iss-local","validity_seconds":7776000}`},
		"edit": {api.NewProfileRules(spec), `{"allow_wildcard_names":false,"allowed_dns_names":[],"allowed_ekus":["serverAuth"],"allowed_email_domains":[],` +
			`"allowed_ip_ranges":[],"allowed_key_algorithms":[{"algorithm":"ECDSA","min_size":256},{"algorithm":"RSA","min_size":2048},{"algorithm":"Ed25519"}],` +
			`"allowed_uris":[],"enabled":true,"issuer_id":"iss-local","max_sans":100,"max_ttl_seconds":7776000,"name":"","requires_approval":false}`},
	} {
		text, _, err := Canonicalize(c.subject)
		if err != nil || text != c.want {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	spec.SubjectAttributes.Organization, spec.AllowedCommonNames, spec.KeyUsages = []string{"b", "a"}, []string{"x*"}, []string{"digitalSignature"}
	spec.AllowUnderscores, spec.CSRExtras, spec.Labels = true, api.CSRExtrasRefuse, nil
	if got := api.NewProfileRules(spec).Spec(); !SameProfile(got, spec) {
		t.Errorf("the rules of %+v are %+v", spec, got)
	}
	if got := ProfileContent(spec).SubjectAttributes.Organization; !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("the set is not sorted: %q", got)
	}
}
