package rules

import (
	"cmp"
	"encoding/asn1"
	"fmt"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/api"
)

// attribute is one kind of attribute of a profile's subject.
type attribute struct {
	name      string // in JSON
	oid       asn1.ObjectIdentifier
	maxLength int // characters, the upper bounds of RFC 5280, appendix A.1
	values    *[]string
}

// listAttributes lists every kind of attribute in the order in which a certificate has them: the widest first, as X.500
// orders names.
func listAttributes(a *api.SubjectAttributes) []attribute {
	return []attribute{
		{"country", asn1.ObjectIdentifier{2, 5, 4, 6}, 2, &a.Country},
		{"province", asn1.ObjectIdentifier{2, 5, 4, 8}, 128, &a.Province},
		{"locality", asn1.ObjectIdentifier{2, 5, 4, 7}, 128, &a.Locality},
		{"street_address", asn1.ObjectIdentifier{2, 5, 4, 9}, 128, &a.StreetAddress},
		{"postal_code", asn1.ObjectIdentifier{2, 5, 4, 17}, 16, &a.PostalCode},
		{"organization", asn1.ObjectIdentifier{2, 5, 4, 10}, 64, &a.Organization},
		{"organizational_unit", asn1.ObjectIdentifier{2, 5, 4, 11}, 64, &a.OrganizationalUnit},
	}
}

// SubjectAttribute is one attribute of a certificate's subject.
type SubjectAttribute struct {
	OID   asn1.ObjectIdentifier
	Value string
}

// OrderSubject returns the attributes of a certificate's subject in the order in which they are signed: those of the
// profile, each set sorted by bytes, then the common name if there is one.
func OrderSubject(attributes api.SubjectAttributes, commonName string) []SubjectAttribute {
	var subject []SubjectAttribute
	for _, a := range listAttributes(&attributes) {
		for _, value := range SortSet(*a.values) {
			subject = append(subject, SubjectAttribute{a.oid, value})
		}
	}
	if commonName != "" {
		subject = append(subject, SubjectAttribute{oidCommonName, commonName})
	}
	return subject
}

// maxAttributeValues bounds the values of one attribute. Every certificate has all of them.
const maxAttributeValues = 16

func checkSubjectAttributes(attributes api.SubjectAttributes) []api.Fault {
	var out []api.Fault
	for _, a := range listAttributes(&attributes) {
		pointer := "/subject_attributes/" + a.name
		if n := len(*a.values); n > maxAttributeValues {
			out = append(out, newFault(pointer, "there are %d values; at most %d are allowed", n, maxAttributeValues))
			continue
		}
		out = append(out, checkSet(pointer, *a.values, a.check)...)
	}
	return out
}

func (a attribute) check(value string) error {
	n := utf8.RuneCountInString(value)
	switch {
	case a.name == "country" && (len(value) != 2 || !hasOnly(value, isUpper)):
		return fmt.Errorf("%s is not a country code of two upper-case letters, such as DE", quoteShort(value))
	case n > a.maxLength:
		return fmt.Errorf("the value has %d characters; at most %d are allowed", n, a.maxLength)
	}
	return checkLine(value)
}

// checkLine refuses a value that programs or people could take for another one.
func checkLine(value string) error {
	if fault := cmp.Or(LineFault(value), spacingFault(value)); fault != "" {
		return fmt.Errorf("the value %s", fault)
	}
	return nil
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
