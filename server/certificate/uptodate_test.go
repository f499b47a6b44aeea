package certificate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A leaf is up to date while the same names, key, signed rules and issuer would be signed now.
func TestUpToDate_ComparesWhatWouldBeSigned(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	olga := func(t *testing.T, s *servertest.Server) *client.Client { return s.Client(t, "olga") }
	certificate := func(change func(*api.CertificateSpec)) func(*testing.T, *servertest.Server, api.Certificate) {
		return func(t *testing.T, s *servertest.Server, c api.Certificate) {
			change(&c.CertificateSpec)
			if _, err := olga(t, s).ReplaceCertificate(t.Context(), c.ID, c.CertificateSpec); err != nil {
				t.Fatal(err)
			}
		}
	}
	profile := func(change func(*api.ProfileSpec)) func(*testing.T, *servertest.Server, api.Certificate) {
		return func(t *testing.T, s *servertest.Server, c api.Certificate) {
			p, err := olga(t, s).GetProfile(t.Context(), c.ProfileID)
			if err != nil {
				t.Fatal(err)
			}
			change(&p.ProfileSpec)
			if _, err := olga(t, s).ReplaceProfile(t.Context(), p.ID, p.ProfileSpec); err != nil {
				t.Fatal(err)
			}
		}
	}
	renewal := func(csr string) func(*testing.T, *servertest.Server, api.Certificate) {
		return func(t *testing.T, s *servertest.Server, c api.Certificate) {
			if _, err := olga(t, s).RenewCertificate(t.Context(), c.ID, api.Renew{CSRPEM: csr}); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := map[string]struct {
		change func(*testing.T, *servertest.Server, api.Certificate)
		want   bool
	}{
		"nothing":         {func(*testing.T, *servertest.Server, api.Certificate) {}, true},
		"labels":          {certificate(func(c *api.CertificateSpec) { c.Labels = map[string]string{"team": "web"} }), true},
		"order of names":  {certificate(func(c *api.CertificateSpec) { c.SANs[0], c.SANs[1] = c.SANs[1], c.SANs[0] }), true},
		"another request": {certificate(func(c *api.CertificateSpec) { c.CSRPEM = newCSR(t, key) }), true},
		"common name":     {certificate(func(c *api.CertificateSpec) { c.CommonName = "" }), false},
		"names":           {certificate(func(c *api.CertificateSpec) { c.SANs = append(c.SANs, "more.example.com") }), false},
		"key":             {certificate(func(c *api.CertificateSpec) { c.CSRPEM = servertest.CSR(t) }), false},
		"other rules":     {profile(func(p *api.ProfileSpec) { p.MaxSANs, p.Description = 7, "shops" }), true},
		"usages":          {profile(func(p *api.ProfileSpec) { p.AllowedEKUs = append(p.AllowedEKUs, "clientAuth") }), false},
		"validity":        {profile(func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 }), false},
		"renewal open":    {renewal(""), true},
		"key of a renewal": {func(t *testing.T, s *servertest.Server, c api.Certificate) {
			renewal(servertest.CSR(t))(t, s, c)
			s.Drain(t)
		}, true},
		"expired": {func(_ *testing.T, s *servertest.Server, c api.Certificate) {
			s.Clock.Advance(c.Current.NotAfter.Sub(s.Clock.Now()) + time.Second)
		}, false},
		"issuer replaced": {func(t *testing.T, s *servertest.Server, _ api.Certificate) {
			s.Write(t, func(tx *store.Tx) error {
				_, err := gate.ReplaceIssuer(tx, app.LocalIssuerID, strings.Repeat("a", 64))
				return err
			})
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				spec := api.DefaultCertificateSpec()
				spec.CommonName, spec.SANs = "www.example.com", []string{"www.example.com", "shop.example.com"}
				spec.ProfileID, spec.CSRPEM = s.CreateProfileAsOlga(t, false).ID, newCSR(t, key)
				created, err := olga(t, s).CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec})
				if err != nil {
					t.Fatal(err)
				}
				if created.UpToDate {
					t.Error("a certificate without a leaf is up to date")
				}
				renewal("")(t, s, created)
				s.Drain(t)
				issued, err := olga(t, s).GetCertificate(t.Context(), created.ID)
				if err != nil {
					t.Fatal(err)
				}
				c.change(t, s, issued)
				after, err := olga(t, s).GetCertificate(t.Context(), created.ID)
				if err != nil {
					t.Fatal(err)
				}
				if after.UpToDate != c.want {
					t.Errorf("up_to_date is %t", after.UpToDate)
				}
			}, servertest.NoWorkers())
		})
	}
}

// newCSR makes a CSR with a key.
func newCSR(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// A list takes as many statements for many certificates as for one.
func TestList_TakesConstantStatements(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	s := servertest.NewPostgres(t, servertest.NoWorkers(), servertest.Trace(func(string) { count.Add(1) }))
	profileID := s.CreateProfileAsOlga(t, false).ID
	countStatements := func(n int) int64 {
		for range n {
			if _, err := s.Client(t, "olga").RenewCertificate(t.Context(), s.CreateCertificateAsOlga(t, profileID).ID, api.Renew{}); err != nil {
				t.Fatal(err)
			}
		}
		s.Drain(t)
		vera, before := s.Client(t, "vera"), count.Load()
		certificates, err := client.Collect(vera.ListCertificates(t.Context(), client.ListCertificatesOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range certificates {
			if !c.UpToDate {
				t.Errorf("%s is not up to date", c.ID)
			}
		}
		return count.Load() - before
	}
	if one, many := countStatements(1), countStatements(9); one == 0 || many != one {
		t.Errorf("%d statements for one certificate, %d for ten", one, many)
	}
}
