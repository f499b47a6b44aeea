package issuance_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// opaqueSigner hides the type of a CA's key, as a key in a KMS or an HSM does.
type opaqueSigner struct{ crypto.Signer }

// The signed certificate has the content that was approved, for each kind of key of the CA.
func TestIssue_SignsTheApprovedSubject(t *testing.T) {
	keys := map[string]func() (crypto.Signer, error){
		"ECDSA P-256": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"ECDSA P-384": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		"ECDSA P-521": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) },
		"RSA":         func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		"Ed25519": func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
	}
	for name, newKey := range keys {
		t.Run(name, func(t *testing.T) {
			key, err := newKey()
			if err != nil {
				t.Fatal(err)
			}
			ca, root := newCA(t, key)
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				checkContent(t, s, root, key)
			}, servertest.Issuer(ca))
		})
		t.Run(name+", opaque", func(t *testing.T) {
			key, err := newKey()
			if err != nil {
				t.Fatal(err)
			}
			ca, root := newCA(t, opaqueSigner{key})
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				checkContent(t, s, root, key)
			}, servertest.Issuer(ca))
		})
	}
}

func newCA(t *testing.T, key crypto.Signer) (*ca.CA, *x509.Certificate) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA", Organization: []string{"Test"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * 365 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := ca.New(root, key)
	if err != nil {
		t.Fatal(err)
	}
	return issuer, root
}

func checkContent(t *testing.T, s *servertest.Server, root *x509.Certificate, key crypto.Signer) {
	ctx, olga := context.Background(), s.Client(t, "olga")
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval, spec.AllowedEKUs, spec.MaxTTLSeconds = "all kinds", true, []string{"serverAuth", "clientAuth"}, 86400
	spec.AllowedDNSNames, spec.AllowWildcardNames = []string{"**.example.com"}, true
	spec.AllowedIPRanges, spec.AllowedURIs, spec.AllowedEmailDomains = []string{"10.0.0.0/8"}, []string{"spiffe://example.com/**"}, []string{"example.com"}
	p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	cert := api.DefaultCertificateSpec()
	cert.CommonName, cert.ProfileID, cert.CSRPEM = "www.example.com", p.ID, newCSR(t, key)
	cert.SANs = []string{"www.example.com", "*.example.com", "10.1.2.3", "spiffe://example.com/a/b", "ops@example.com"}
	c, err := olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: cert})
	if err != nil {
		t.Fatal(err)
	}
	j, err := olga.RenewCertificate(ctx, c.ID, api.Renew{Reason: "first"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Client(t, "bob").GetApproval(ctx, *j.ApprovalID)
	if err != nil {
		t.Fatal(err)
	}
	checkDigest(t, a)
	if _, err := s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{Digest: a.Digest}); err != nil {
		t.Fatal(err)
	}
	if j = s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCompleted || j.Type != api.JobIssuance {
		t.Fatalf("the job is %s of type %s: %s", j.Status, j.Type, j.ErrorMessage)
	}
	c, err = olga.GetCertificate(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(c.Current.CertificatePEM))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	checkLeaf(t, leaf, root, a)
	if c.CSRPEM != cert.CSRPEM || c.Version != 1 {
		t.Errorf("issuance changed what the caller wrote: version %d", c.Version)
	}
}

// checkDigest recomputes the digest without the server's code. The subject has only strings, whole numbers and lists, so
// sorted keys without spaces are RFC 8785.
func checkDigest(t *testing.T, a api.Approval) {
	t.Helper()
	var subject map[string]any
	if err := json.Unmarshal(a.Subject, &subject); err != nil {
		t.Fatal(err)
	}
	canonical, err := json.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(canonical); a.Digest != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("the digest %s is not that of %s", a.Digest, canonical)
	}
}

func checkLeaf(t *testing.T, leaf, root *x509.Certificate, a api.Approval) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(root)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "www.example.com", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	spki := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	issuer := sha256.Sum256(root.Raw)
	key := api.Key{Algorithm: leaf.PublicKeyAlgorithm.String(), SPKISHA256: hex.EncodeToString(spki[:])}
	var approved api.IssuanceSubject
	if err := json.Unmarshal(a.Subject, &approved); err != nil {
		t.Fatal(err)
	}
	key.Size = approved.Key.Size
	names := slices.Clone(leaf.DNSNames)
	names = append(names, leaf.EmailAddresses...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	slices.Sort(names)
	var usages []string
	for _, u := range leaf.ExtKeyUsage {
		usages = append(usages, u.String())
	}
	signed := api.IssuanceSubject{
		CertificateID: *a.CertificateID, ProfileID: *a.ProfileID, IssuerFingerprintSHA256: hex.EncodeToString(issuer[:]),
		CertificateContent: api.CertificateContent{CommonName: leaf.Subject.CommonName, SANs: names, Key: key},
		ProfileContent: api.ProfileContent{
			IssuerID: "iss-local", ValiditySeconds: int64(leaf.NotAfter.Sub(leaf.NotBefore).Seconds()) + 1, ExtendedKeyUsages: usages,
		},
	}
	if diff := cmp.Diff(approved, signed); diff != "" {
		t.Errorf("the signed content is not the approved content: %s", diff)
	}
	wantUsage := x509.KeyUsageDigitalSignature
	if leaf.PublicKeyAlgorithm == x509.RSA {
		wantUsage |= x509.KeyUsageKeyEncipherment
	}
	if leaf.KeyUsage != wantUsage || leaf.IsCA || len(leaf.SubjectKeyId) == 0 || string(leaf.AuthorityKeyId) != string(root.SubjectKeyId) {
		t.Errorf("key usage %b, CA %t, key identifiers %x %x", leaf.KeyUsage, leaf.IsCA, leaf.SubjectKeyId, leaf.AuthorityKeyId)
	}
}

func newCSR(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// A CSR sent with renew belongs to its job. The certificate gets it once it is issued, not before.
func TestRenew_StoresANewKeyOnceItIsIssued(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		c, csr := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID), servertest.CSR(t)
		j, err := olga.RenewCertificate(ctx, c.ID, api.Renew{CSRPEM: csr})
		if err != nil {
			t.Fatal(err)
		}
		if waiting, err := olga.GetCertificate(ctx, c.ID); err != nil || waiting.CSRPEM != c.CSRPEM || waiting.Status != api.CertificateAwaitingApproval {
			t.Fatalf("while it waits: %v, %+v", err, waiting)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, j.ID)
		issued, err := olga.GetCertificate(ctx, c.ID)
		if err != nil || issued.CSRPEM != csr || issued.Version != c.Version+1 || issued.Status != api.CertificateIssued {
			t.Fatalf("once issued: %v, %+v", err, issued)
		}
		if _, err := s.Client(t, "alice").RenewCertificate(ctx, c.ID, api.Renew{}); err != nil {
			t.Fatal(err)
		}
		again, err := olga.GetCertificate(ctx, c.ID)
		if err != nil || again.Job.Type != api.JobRenewal || again.Current == nil || again.Status != api.CertificateAwaitingApproval {
			t.Fatalf("renewed: %v, %+v", err, again)
		}
	})
}
