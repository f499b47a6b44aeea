package rules

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
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
		"good":            {func(*api.CertificateSpec) {}, nil},
		"no common name":  {func(s *api.CertificateSpec) { s.CommonName = "" }, nil},
		"latest renewal":  {func(s *api.CertificateSpec) { s.RenewBeforeSeconds = seconds(7775999) }, nil},
		"early renewal":   {func(s *api.CertificateSpec) { s.RenewBeforeSeconds = seconds(7776000) }, []string{"/renew_before_seconds", "7776000"}},
		"no renewal":      {func(s *api.CertificateSpec) { s.RenewBeforeSeconds = seconds(0) }, []string{"/renew_before_seconds", "positive"}},
		"another CN":      {func(s *api.CertificateSpec) { s.CommonName = "b.example.com" }, []string{"/common_name", "not one of the sans"}},
		"URI as CN":       {func(s *api.CertificateSpec) { s.CommonName = "spiffe://example.com/a" }, []string{"/common_name", "URI"}},
		"long CN":         {func(s *api.CertificateSpec) { s.SANs[1], s.CommonName = long, long }, []string{"/common_name", "64"}},
		"labels":          {func(s *api.CertificateSpec) { s.Labels = map[string]string{"": ""} }, []string{"/labels/", "key"}},
		"a thousand SANs": {func(s *api.CertificateSpec) { s.SANs, s.CommonName = make([]string, 1001), "" }, []string{"/sans", "1001"}},
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
