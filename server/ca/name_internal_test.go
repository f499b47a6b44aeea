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
		"full width":    {encode(single(org, "\uff25\uff38ample"), single(commonName, "Example Root CA")), true},
		"BMPString":     {encode(single(org, "Example"), pkix.RelativeDistinguishedNameSET{{Type: commonName, Value: asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte("\x00E\x00x\x00a\x00m\x00p\x00l\x00e\x00 \x00R\x00o\x00o\x00t\x00 \x00C\x00A")}}}), true},
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
	for a, b := range map[string]string{"Fu\u00df": "FUSS", "300 \u212a": "300 k", "Z\u00fcrich": "Zu\u0308rich"} {
		if !sameName(encode(single(org, a)), encode(single(org, b))) {
			t.Errorf("%q and %q differ", a, b)
		}
	}
	latin1 := pkix.RelativeDistinguishedNameSET{{Type: org, Value: asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte("Z\xfcrich")}}}
	if !sameName(encode(latin1), encode(single(org, "Z\u00fcrich"))) {
		t.Error("a T61String differs from its text")
	}
	if sameName(encode(), encode()) {
		t.Error("two empty names are the same")
	}
}
