package pemfile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/pemfile"
)

// newPair returns a certificate and its key as PEM.
func newPair(t *testing.T) (certificate, key, sec1 string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8), encode("EC PRIVATE KEY", ec)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParseCertificates_ReadsTheWholeFileOrFails(t *testing.T) {
	t.Parallel()
	cert, key, _ := newPair(t)
	half := cert[:len(cert)/2]
	for name, c := range map[string]struct {
		text  string
		count int
		fault string
	}{
		"one":                            {cert, 1, ""},
		"two":                            {cert + cert, 2, ""},
		"Windows lines":                  {strings.ReplaceAll(cert, "\n", "\r\n"), 1, ""},
		"no newline at the end":          {strings.TrimSpace(cert), 1, ""},
		"empty lines at the end":         {cert + "\n\n \t\r\n", 1, ""},
		"comments before the blocks":     {"subject=CN = a\n" + cert + "\n# the intermediate\n" + cert, 2, ""},
		"nothing":                        {"", 0, "does not hold a PEM block"},
		"text":                           {"text", 0, "does not hold a PEM block"},
		"garbage at the end":             {cert + "garbage", 0, "has something after its last PEM block"},
		"zeros at the end":               {cert + "\x00\x00", 0, "has something after its last PEM block"},
		"half a certificate":             {half, 0, "has a damaged PEM block"},
		"half a certificate at the end":  {cert + half, 0, "has a damaged PEM block"},
		"half a certificate in between":  {cert + half + "\n" + cert, 0, "has a damaged PEM block"},
		"half a certificate at the head": {half + "\n" + cert, 0, "has a damaged PEM block"},
		"a key":                          {cert + key, 0, "holds a block of type PRIVATE KEY; it may hold certificates only"},
		"a certificate that is none":     {cert + encode("CERTIFICATE", []byte("none")), 0, "certificate 2 in f.pem cannot be read"},
	} {
		got, err := pemfile.ParseCertificates("f.pem", []byte(c.text))
		if c.fault == "" && (err != nil || len(got) != c.count) {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), "f.pem") || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseKey_ReadsTheWholeFileOrFails(t *testing.T) {
	t.Parallel()
	cert, key, sec1 := newPair(t)
	parameters := encode("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, c := range map[string]struct{ text, fault string }{
		"PKCS #8":                {key, ""},
		"SEC 1":                  {sec1, ""},
		"with curve parameters":  {parameters + sec1, ""},
		"comments before":        {"Bag Attributes\n" + key, ""},
		"nothing":                {"", "does not hold a PEM block"},
		"a certificate":          {cert, "does not hold a private key in"},
		"parameters only":        {parameters, "does not hold a private key in"},
		"two keys":               {key + key, "holds 2 PEM blocks; it may hold one private key only"},
		"a key and certificates": {key + cert, "holds 2 PEM blocks; it may hold one private key only"},
		"garbage at the end":     {key + "garbage", "has something after its last PEM block"},
		"half a key":             {key[:len(key)/2], "has a damaged PEM block"},
		"an encrypted key":       {encode("ENCRYPTED PRIVATE KEY", []byte("x")), "holds an encrypted private key; decrypt it"},
	} {
		got, err := pemfile.ParseKey("f.pem", []byte(c.text))
		if c.fault == "" && (err != nil || got == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), "f.pem") || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
