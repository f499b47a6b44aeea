package ca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// checkSubject returns an error if a draft has the subject of a CA of this chain. Clients look for issuers by their
// subject, and could take such a leaf for one.
func (ca *CA) checkSubject(draft *x509.Certificate) error {
	for _, above := range append([]*x509.Certificate{ca.certificate}, ca.issuers...) {
		if sameName(draft.RawSubject, above.RawSubject) {
			return fmt.Errorf("its subject is that of the CA %q", above.Subject)
		}
	}
	return nil
}

// sameName compares two names in DER as RFC 5280, section 7.1, does: without case, runs of spaces count as one, and
// characters that stand for each other (RFC 4518, such as full-width letters) are equal. Two empty names, and names that
// cannot be read, differ.
func sameName(a, b []byte) bool {
	one, ok := readName(a)
	other, okToo := readName(b)
	return ok && okToo && len(one) > 0 && slices.Equal(one, other)
}

// readName returns the RDNs of a name as texts to compare.
func readName(der []byte) ([]string, bool) {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return nil, false
	}
	texts := make([]string, len(name))
	for i, rdn := range name {
		parts := make([]string, len(rdn))
		for j, attribute := range rdn {
			parts[j] = attribute.Type.String() + "=" + foldText(fmt.Sprint(attribute.Value))
		}
		slices.Sort(parts)
		texts[i] = strings.Join(parts, "+")
	}
	return texts, true
}

func foldText(s string) string {
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
	return strings.Join(strings.Fields(folded), " ")
}
