package certificate_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// listIDs returns the ids of the certificates that an option chooses, with pages of one certificate.
func listIDs(t *testing.T, s *servertest.Server, o client.ListCertificatesOptions) []string {
	t.Helper()
	o.Limit = 1
	rows, err := client.Collect(s.Client(t, "vera").ListCertificates(t.Context(), o))
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, c := range rows {
		ids = append(ids, c.ID)
	}
	return ids
}

// makeEveryStatus makes certificates with each status, the live ones twice, and an archived certificate.
func makeEveryStatus(t *testing.T, s *servertest.Server) {
	t.Helper()
	ctx := t.Context()
	as := func(who string) *client.Client { return s.Client(t, who) } // Drain gives the server a new address
	noError := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	renew := func(id string) api.Job {
		t.Helper()
		j, err := as("alice").RenewCertificate(ctx, id, api.Renew{})
		noError(err)
		return j
	}
	reject := func(j api.Job) { _, err := as("bob").RejectApproval(ctx, *j.ApprovalID, api.Decision{}); noError(err) }
	withdraw := func(j api.Job) {
		_, err := as("alice").WithdrawApproval(ctx, *j.ApprovalID, api.Withdrawal{})
		noError(err)
	}
	expire := func(api.Job) { s.Clock.Advance(200 * time.Hour); noError(s.App.Expire(ctx)) }
	issue := func() api.Job {
		t.Helper()
		j := s.RequestOlgasCertificate(t, "alice")
		approve(t, s, j)
		s.Drain(t)
		return j
	}

	expire(s.RequestOlgasCertificate(t, "alice")) // others wait afterwards
	issued := []api.Job{issue(), issue(), issue(), issue(), issue()}
	reject(renew(issued[1].CertificateID))
	expire(renew(issued[2].CertificateID))
	renew(issued[3].CertificateID)
	approve(t, s, renew(issued[4].CertificateID))

	s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
	rejected := s.RequestOlgasCertificate(t, "alice")
	reject(rejected)
	withdraw(s.RequestOlgasCertificate(t, "alice"))
	s.RequestOlgasCertificate(t, "alice")
	approve(t, s, s.RequestOlgasCertificate(t, "alice"))
	again := s.RequestOlgasCertificate(t, "alice")
	reject(again)
	withdraw(renew(again.CertificateID))
	failed := s.RequestOlgasCertificate(t, "alice")
	approve(t, s, failed)
	s.Exec(t, "UPDATE jobs SET status = 'Running', lease_until = created_at WHERE id = ?", failed.ID)
	s.Exec(t, "UPDATE jobs SET status = 'Failed', cause = 'issuer_failed', lease_until = NULL, finished_at = created_at WHERE id = ?", failed.ID)
	gone := s.RequestOlgasCertificate(t, "alice")
	noError(as("olga").DeleteCertificate(ctx, gone.CertificateID))
}

// For each status, ?status= lists exactly the certificates that show it, live or archived.
func TestList_FiltersByTheStatusThatIsShown(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		makeEveryStatus(t, s)
		checkStatusFilter(t, s, api.CertificateExpired)
		s.Clock.Advance(100 * 24 * time.Hour) // every leaf has ended
		checkStatusFilter(t, s, api.CertificateIssued)
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}

// checkStatusFilter compares the lists by status with the statuses that are shown. One status is shown by no certificate.
func checkStatusFilter(t *testing.T, s *servertest.Server, absent api.CertificateStatus) {
	t.Helper()
	for _, archived := range []bool{false, true} {
		shown := map[api.CertificateStatus][]string{}
		for c, err := range s.Client(t, "vera").ListCertificates(t.Context(), client.ListCertificatesOptions{Archived: archived}) {
			if err != nil {
				t.Fatal(err)
			}
			shown[c.Status] = append(shown[c.Status], c.ID)
		}
		for _, status := range []api.CertificateStatus{
			api.CertificateUnissued, api.CertificateAwaitingApproval, api.CertificateIssuing, api.CertificateIssued, api.CertificateExpired,
			api.CertificateRejected, api.CertificateRequestExpired, api.CertificateFailed, api.CertificateCancelled,
		} {
			want := shown[status]
			if want == nil {
				want = []string{}
			}
			if !archived && (len(want) == 0) != (status == absent) {
				t.Errorf("%d certificates are %s", len(want), status)
			}
			if diff := cmp.Diff(want, listIDs(t, s, client.ListCertificatesOptions{Status: status, Archived: archived})); diff != "" {
				t.Errorf("%s, archived %v: %s", status, archived, diff)
			}
		}
	}
}

// A certificate is found by each name, and by the serial number, fingerprint and key of every leaf that it had.
func TestList_FiltersByNamesAndLeaves(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		spec := api.DefaultProfileSpec()
		spec.Name, spec.AllowedDNSNames, spec.AllowWildcardNames = "web", []string{"**.example.com"}, true
		p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		identities, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: identityProfile()})
		if err != nil {
			t.Fatal(err)
		}
		create := func(profileID, commonName string, sans ...string) string {
			t.Helper()
			spec := api.DefaultCertificateSpec()
			spec.ProfileID, spec.CommonName, spec.SANs, spec.CSRPEM = profileID, commonName, sans, servertest.CSR(t)
			c, err := olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
			if err != nil {
				t.Fatal(err)
			}
			return c.ID
		}
		www := create(p.ID, "www.example.com", "www.example.com", "api.example.com")
		both := create(p.ID, "", "api.example.com", "*.example.com")
		device := create(identities.ID, "device-7", "device-7.example.com")
		gone := create(p.ID, "", "api.example.com")
		if err := olga.DeleteCertificate(ctx, gone); err != nil {
			t.Fatal(err)
		}

		first := issueNow(t, s, www, "")
		second := issueNow(t, s, www, servertest.CSR(t))
		other := issueNow(t, s, both, "")
		third, err := s.Client(t, "olga").GetCertificate(ctx, device)
		if err != nil {
			t.Fatal(err)
		}
		key := spkiOf(t, third.CSRPEM)
		if first.SerialNumber == second.SerialNumber || first.SPKISHA256 == second.SPKISHA256 {
			t.Fatal("the renewal has the same leaf")
		}
		type options = client.ListCertificatesOptions
		for name, tc := range map[string]struct {
			o    options
			want []string
		}{
			"a name of two":             {options{SAN: "api.example.com"}, []string{www, both}},
			"archived":                  {options{SAN: "api.example.com", Archived: true}, []string{gone}},
			"a name, a profile":         {options{SAN: "api.example.com", ProfileID: identities.ID}, nil},
			"a name, a common name":     {options{SAN: "api.example.com", CommonName: "www.example.com"}, []string{www}},
			"a wildcard":                {options{SAN: "*.example.com"}, []string{both}},
			"no name":                   {options{SAN: "ftp.example.com"}, nil},
			"another spelling":          {options{SAN: "API.example.com"}, nil},
			"a common name is no SAN":   {options{SAN: "device-7"}, nil},
			"by a free common name":     {options{CommonName: "device-7"}, []string{device}},
			"first serial":              {options{SerialNumber: first.SerialNumber}, []string{www}},
			"current serial":            {options{SerialNumber: second.SerialNumber}, []string{www}},
			"no serial":                 {options{SerialNumber: strings.Repeat("0", 32)}, nil},
			"first fingerprint":         {options{FingerprintSHA256: first.FingerprintSHA256}, []string{www}},
			"current fingerprint":       {options{FingerprintSHA256: other.FingerprintSHA256}, []string{both}},
			"first key":                 {options{SPKISHA256: first.SPKISHA256}, []string{www}},
			"current key":               {options{SPKISHA256: second.SPKISHA256}, []string{www}},
			"key of a CSR":              {options{SPKISHA256: key}, []string{device}},
			"key and status":            {options{SPKISHA256: key, Status: api.CertificateUnissued}, []string{device}},
			"fingerprint, other serial": {options{FingerprintSHA256: first.FingerprintSHA256, SerialNumber: other.SerialNumber}, nil},
			"expires, status":           {options{ExpiresBefore: first.NotAfter.AddDate(1, 0, 0), Status: api.CertificateIssued}, []string{www, both}},
		} {
			if got := listIDs(t, s, tc.o); !slices.Equal(got, tc.want) && len(got)+len(tc.want) > 0 {
				t.Errorf("%s: %v, want %v", name, got, tc.want)
			}
		}
		for _, bad := range []options{
			{SerialNumber: "0A"},
			{SerialNumber: "0a:1b"},
			{SerialNumber: strings.Repeat("a", 41)},
			{FingerprintSHA256: "ab"},
			{SPKISHA256: strings.Repeat("A", 64)},
			{Status: "active"},
		} {
			_, err := client.Collect(s.Client(t, "vera").ListCertificates(ctx, bad))
			if !api.Is(err, api.CodeInvalidRequest) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	}, servertest.NoWorkers())
}

func identityProfile() api.ProfileSpec {
	spec := api.DefaultProfileSpec()
	spec.Name, spec.AllowedDNSNames = "devices", []string{"**.example.com"}
	spec.AllowedEKUs, spec.AllowedCommonNames = []string{"clientAuth"}, []string{"device-*"}
	return spec
}

// issueNow issues a certificate and returns its leaf.
func issueNow(t *testing.T, s *servertest.Server, id, csr string) api.Leaf {
	t.Helper()
	if _, err := s.Client(t, "olga").RenewCertificate(t.Context(), id, api.Renew{CSRPEM: csr}); err != nil {
		t.Fatal(err)
	}
	s.Drain(t)
	c, err := s.Client(t, "olga").GetCertificate(t.Context(), id)
	if err != nil || c.Current == nil {
		t.Fatalf("the certificate is %s: %v", c.Status, err)
	}
	return *c.Current
}

// spkiOf returns the SHA-256 of the public key of a CSR.
func spkiOf(t *testing.T, csr string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(csr))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(request.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
