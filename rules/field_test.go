package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules/rulestest"
)

// A line of the manifest is a CSR as a tool or an appliance writes it, with what is right for it.
func TestFieldCSRs(t *testing.T) {
	t.Parallel()
	for _, field := range rulestest.ReadFieldCSRs(t, "testdata/csr") {
		t.Run(field.File, func(t *testing.T) {
			t.Parallel()
			p := field.Profile()
			spec := api.CertificateSpec{CommonName: field.CommonName, SANs: field.SANs, CSRPEM: field.PEM}
			csr, faults := CheckCertificate(spec, p)
			var ignored []api.Ignored
			if csr != nil {
				ignored, _ = csr.Review(field.CommonName, field.SANs, p)
			}
			switch {
			case field.Outcome == "accept" && len(faults) > 0, field.Outcome == "refuse" && len(faults) == 0:
				t.Errorf("faults %v; want %s", faults, field.Expected)
			case field.Outcome == "accept" && !isListed(ignored, field.Ignored):
				t.Errorf("ignores %v; want %s", ignored, field.Ignored)
			}
			// A fault that no profile can mend is a fault under every profile.
			for _, f := range CheckForm(spec) {
				if field.Outcome == "profile" && f.Pointer == "/csr_pem" || !slices.Contains(faults, f) {
					t.Errorf("a profile can mend %v", f)
				}
			}
			for _, f := range faults {
				if strings.Contains(f.Detail, "well-formed") {
					t.Errorf("the fault helps nobody: %s", f.Detail)
				}
			}
		})
	}
}

// shortNames are the names of the manifest for what a CSR asks for.
var shortNames = map[string]string{
	"C": "countryName", "ST": "stateOrProvinceName", "L": "localityName", "O": "organizationName", "OU": "organizationalUnitName",
	"DC": "domainComponent",
}

// isListed reports whether the entries are those of the manifest, in any order. The manifest has remarks in parentheses.
func isListed(ignored []api.Ignored, manifest string) bool {
	manifest, _, _ = strings.Cut(manifest, " (")
	var want []string
	for _, name := range strings.Split(manifest, ", ") {
		name, _, _ = strings.Cut(name, "=")
		if long, known := shortNames[name]; known {
			name = long
		}
		if usage, found := strings.CutPrefix(name, "keyUsage "); found {
			name = "key usage: " + usage
		}
		if name != "" {
			want = append(want, name)
		}
	}
	// The manifest names a common name that is a SAN only in its remarks.
	rest := slices.DeleteFunc(slices.Clone(ignored), func(i api.Ignored) bool { return i.What == "common name, signed as a name" })
	for _, name := range want {
		at := slices.IndexFunc(rest, func(i api.Ignored) bool { return strings.HasPrefix(i.What+": "+i.Value, name) })
		if at < 0 {
			return false
		}
		rest = slices.Delete(rest, at, at+1)
	}
	return len(rest) == 0
}
