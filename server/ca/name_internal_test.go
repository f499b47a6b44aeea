package ca

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestSameName(t *testing.T) {
	org, commonName := asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 3}
	encode := func(parts ...pkix.RelativeDistinguishedNameSET) []byte {
		der, err := asn1.Marshal(pkix.RDNSequence(parts))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	single := func(oid asn1.ObjectIdentifier, value string) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: oid, Value: value}}
	}
	ca := encode(single(org, "Example"), single(commonName, "Example Root CA"))
	for name, c := range map[string]struct {
		der  []byte
		want bool
	}{
		"itself":        {ca, true},
		"another case":  {encode(single(org, "EXAMPLE"), single(commonName, "example root ca")), true},
		"more spaces":   {encode(single(org, " Example"), single(commonName, "Example  Root CA ")), true},
		"UTF8String":    {encode(single(org, "Example"), pkix.RelativeDistinguishedNameSET{{Type: commonName, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("Example Root CA")}}}), true},
		"one attribute": {encode(single(commonName, "Example Root CA")), false},
		"another order": {encode(single(commonName, "Example Root CA"), single(org, "Example")), false},
		"another name":  {encode(single(org, "Example"), single(commonName, "Example Root CA 2")), false},
		"no name":       {encode(), false},
		"no DER":        {[]byte("x"), false},
	} {
		if got := sameName(c.der, ca); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if sameName(encode(), encode()) {
		t.Error("two empty names are the same")
	}
}
