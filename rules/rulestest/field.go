// Package rulestest reads the CSRs of the tests.
package rulestest

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// FieldCSR is a CSR as a tool or an appliance writes it: a line of the manifest.
type FieldCSR struct {
	File       string
	Outcome    string // accept, refuse, either, or profile: accepted with a profile that fits
	CommonName string // to send with the CSR, as are the SANs
	SANs       []string
	EKUs       []string // of the profile
	Ignored    string   // what is listed, for people
	Expected   string   // for people
	PEM        string   // the content of the file
}

// ReadFieldCSRs reads the manifest in a directory and its files.
func ReadFieldCSRs(t testing.TB, dir string) []FieldCSR {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "MANIFEST.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []FieldCSR
	for _, row := range rows[1:] {
		text, err := os.ReadFile(filepath.Join(dir, row[0]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, FieldCSR{
			File: row[0], Outcome: row[1], CommonName: strings.Trim(row[2], `"`), SANs: strings.Fields(row[3]),
			EKUs: strings.Split(row[4], "+"), Ignored: row[5], Expected: row[len(row)-1], PEM: string(text),
		})
	}
	if len(all) < 60 {
		t.Fatalf("%d lines", len(all))
	}
	return all
}

// Profile returns a profile that allows the names of every accepted CSR, and the extended key usages of this one.
func (c FieldCSR) Profile() api.ProfileSpec {
	p := api.DefaultProfileSpec()
	p.Name, p.AllowedEKUs, p.AllowWildcardNames = strings.Join(c.EKUs, "+"), c.EKUs, true
	p.AllowedDNSNames, p.AllowedIPRanges = []string{"**"}, []string{"0.0.0.0/0", "::/0"}
	p.AllowedURIs, p.AllowedEmailDomains = []string{"spiffe://example.com/**"}, []string{"example.com"}
	return p
}
