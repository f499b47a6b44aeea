package gate

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// BuildTemplate returns the certificate that a subject describes, for issuers that use crypto/x509.
func BuildTemplate(s Subject, serial Serial, validity Validity) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber:          serial.Int(),
		NotBefore:             validity.NotBefore,
		NotAfter:              validity.NotAfter,
		Subject:               pkix.Name{CommonName: s.CommonName},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if s.Key.Algorithm == api.AlgorithmRSA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	for _, name := range s.ExtendedKeyUsages {
		usage, ok := rules.ParseEKU(name)
		if !ok {
			return nil, fmt.Errorf("unknown extended key usage %q", name)
		}
		t.ExtKeyUsage = append(t.ExtKeyUsage, usage)
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
