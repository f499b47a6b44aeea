package gate

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/certctl/terraform-provider-certctl/rules"
)

// BuildTemplate returns the certificate that a subject describes, for issuers that use crypto/x509.
func BuildTemplate(s Subject, serial Serial, validity Validity) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber:          serial.Int(),
		NotBefore:             validity.NotBefore,
		NotAfter:              validity.NotAfter,
		BasicConstraintsValid: true,
	}
	var err error
	if t.RawSubject, err = encodeSubject(s); err != nil {
		return nil, err
	}
	if t.KeyUsage, err = rules.KeyUsages(s.KeyUsages, s.Key.Algorithm); err != nil {
		return nil, err
	}
	for _, name := range s.ExtendedKeyUsages {
		usage, ok := rules.ParseEKU(name)
		if !ok {
			return nil, fmt.Errorf("unknown extended key usage %q", name)
		}
		t.ExtKeyUsage = append(t.ExtKeyUsage, usage)
	}
	if slices.Equal(t.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) {
		t.ExtraExtensions = []pkix.Extension{criticalTimeStamping()}
	}
	spki, err := x509.MarshalPKIXPublicKey(s.PublicKey)
	if err != nil {
		return nil, err
	}
	if t.SubjectKeyId, err = rules.KeyID(spki); err != nil {
		return nil, err
	}
	return t, addNames(t, s.SANs)
}

// criticalTimeStamping returns the extension in the form that RFC 3161, section 2.3, asks for. Clients refuse the time stamps
// of a certificate in which it is not critical.
func criticalTimeStamping() pkix.Extension {
	return pkix.Extension{
		Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
		Value: []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8}, // SEQUENCE of 1.3.6.1.5.5.7.3.8
	}
}

// encodeSubject returns the subject of a certificate in DER. Each attribute has an RDN of its own: some programs read only
// the first attribute of an RDN.
func encodeSubject(s Subject) ([]byte, error) {
	var name pkix.RDNSequence
	for _, a := range rules.OrderSubject(s.SubjectAttributes, s.CommonName) {
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: a.OID, Value: a.Value}})
	}
	return asn1.Marshal(name)
}

func addNames(t *x509.Certificate, sans []string) error {
	for _, san := range sans {
		name, err := rules.ParseName(san)
		if err != nil {
			return err
		}
		switch name.Kind() {
		case rules.DNS:
			t.DNSNames = append(t.DNSNames, san)
		case rules.IP:
			t.IPAddresses = append(t.IPAddresses, net.IP(name.Addr().AsSlice()))
		case rules.Email:
			t.EmailAddresses = append(t.EmailAddresses, san)
		case rules.URI:
			parsed, err := url.Parse(san)
			if err != nil {
				return err
			}
			t.URIs = append(t.URIs, parsed)
		default:
			return fmt.Errorf("%q is no name", san)
		}
	}
	return nil
}
