package rules

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// A line of the manifest is a CSR as a tool or an appliance writes it, with what is right for it.
func TestFieldCSRs(t *testing.T) {
	t.Parallel()
	for _, line := range readManifest(t) {
		t.Run(line.file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("testdata/csr/" + line.file)
			if err != nil {
				t.Fatal(err)
			}
			p := api.DefaultProfileSpec()
			p.AllowedDNSNames, p.AllowedEKUs, p.AllowWildcardNames = []string{"**"}, strings.Split(line.ekus, "+"), true
			p.AllowedIPRanges, p.AllowedURIs, p.AllowedEmailDomains = []string{"0.0.0.0/0", "::/0"}, []string{"spiffe://example.com/**"}, []string{"example.com"}
			csr, faults := CheckCertificate(api.CertificateSpec{CommonName: line.commonName, SANs: line.sans, CSRPEM: string(text)}, p)
			var ignored []api.Ignored
			if csr != nil {
				ignored, _ = csr.Review(line.commonName, line.sans, p)
			}
			switch {
			case line.outcome == "accept" && len(faults) > 0, line.outcome == "refuse" && len(faults) == 0:
				t.Errorf("faults %v; want %s", faults, line.expected)
			case line.outcome == "accept" && !isListed(ignored, line.ignored):
				t.Errorf("ignores %v; want %s", ignored, line.ignored)
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

type manifestLine struct {
	file, outcome, commonName string
	sans                      []string
	ekus, ignored, expected   string
}

func readManifest(t *testing.T) []manifestLine {
	t.Helper()
	f, err := os.Open("testdata/csr/MANIFEST.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var lines []manifestLine
	for _, row := range rows[1:] {
		if strings.Contains(row[0], "/") {
			continue
		}
		lines = append(lines, manifestLine{
			file: row[0], outcome: row[1], commonName: strings.Trim(row[2], `"`), sans: slices.DeleteFunc(strings.Fields(row[3]), func(s string) bool { return s == `""` }),
			ekus: row[4], ignored: row[5], expected: row[len(row)-1],
		})
	}
	if len(lines) < 60 {
		t.Fatalf("%d lines", len(lines))
	}
	return lines
}
