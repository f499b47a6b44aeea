package issuance_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// identityProfile allows a common name that is no SAN, and gives the certificate a subject and key usages.
func identityProfile(gated bool) api.ProfileSpec {
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval, spec.AllowedEKUs = "identities", gated, []string{"clientAuth"}
	spec.AllowedCommonNames = []string{"system:node:*", "test CA"}
	spec.SubjectAttributes = api.SubjectAttributes{Organization: []string{"system:nodes", "Example"}, Country: []string{"DE"}, Locality: []string{"Zürich"}}
	spec.KeyUsages = []string{"keyEncipherment", "digitalSignature", "contentCommitment"}
	return spec
}

func requestRSA(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return newCSR(t, key)
}

// The approver sees the subject and the key usages, and exactly they are signed. A certificate may have no SANs.
func TestIssue_SignsTheWholeCertificateOfTheProfile(t *testing.T) {
	issuer, _ := newCA(t, newP256(t))
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: identityProfile(true)})
		if err != nil {
			t.Fatal(err)
		}
		spec := api.DefaultCertificateSpec()
		spec.ProfileID, spec.CommonName, spec.CSRPEM = p.ID, "system:node:worker-1", requestRSA(t)
		c, err := olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		j, err := olga.RenewCertificate(ctx, c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Client(t, "bob").GetApproval(ctx, *j.ApprovalID)
		if err != nil {
			t.Fatal(err)
		}
		checkDigest(t, a)
		var subject map[string]any
		if err := json.Unmarshal(a.Subject, &subject); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"common_name": "system:node:worker-1", "sans": []any{}, "key_usages": []any{"contentCommitment", "digitalSignature", "keyEncipherment"},
			"subject_attributes": map[string]any{"organization": []any{"Example", "system:nodes"}, "country": []any{"DE"}, "locality": []any{"Zürich"}},
		}
		for field, value := range want {
			if diff := cmp.Diff(value, subject[field]); diff != "" {
				t.Errorf("%s: %s", field, diff)
			}
		}
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{Digest: a.Digest}); err != nil {
			t.Fatal(err)
		}
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Fatal(ended.ErrorMessage)
		}
		if c, err = olga.GetCertificate(ctx, c.ID); err != nil || !c.UpToDate {
			t.Fatalf("up to date: %t, %v", c.UpToDate, err)
		}
		checkIdentity(t, c.Current)
	}, servertest.Issuer(issuer))
}

func checkIdentity(t *testing.T, issued *api.Leaf) {
	t.Helper()
	dir := t.TempDir()
	leafFile, caFile := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "ca.pem")
	writeFile(t, leafFile, []byte(issued.CertificatePEM))
	writeFile(t, caFile, []byte(issued.ChainPEM))
	subject, err := exec.CommandContext(t.Context(), "openssl", "x509", "-in", leafFile, "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8").CombinedOutput()
	if want := "subject=CN=system:node:worker-1,O=system:nodes,O=Example,L=Zürich,C=DE"; err != nil || strings.TrimSpace(string(subject)) != want {
		t.Errorf("%s, %v; want %s", subject, err, want)
	}
	if out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", caFile, leafFile).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	block, _ := pem.Decode([]byte(issued.CertificatePEM))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if want := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageContentCommitment; leaf.KeyUsage != want {
		t.Errorf("key usage %v, want %v", leaf.KeyUsage, want)
	}
	if len(leaf.DNSNames)+len(leaf.EmailAddresses)+len(leaf.IPAddresses)+len(leaf.URIs) > 0 || len(issued.SANs) > 0 {
		t.Errorf("the leaf has names: %v", issued.SANs)
	}
}

// An approver sees the rejection of a common name that is no SAN, and the other certificates that have it. A new id, and an
// approval of another common name, hide neither.
func TestContext_FindsACommonNameOutsideTheSANs(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga, bob := t.Context(), s.Client(t, "olga"), s.Client(t, "bob")
		p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: identityProfile(true)})
		if err != nil {
			t.Fatal(err)
		}
		request := func(c api.Certificate) *api.Approval {
			t.Helper()
			return (&fixture{t, s, p, c}).renewAs("olga", api.Renew{})
		}
		check := func(name string, a *api.Approval, rejections []string, others ...string) {
			t.Helper()
			var got []string
			for _, r := range a.Rejections {
				got = append(got, r.ApprovalID)
			}
			if diff := cmp.Diff(rejections, got); diff != "" {
				t.Errorf("%s: rejections: %s", name, diff)
			}
			if diff := cmp.Diff(append([]string{}, others...), a.Context.OtherCertificates.IDs); diff != "" {
				t.Errorf("%s: other certificates: %s", name, diff)
			}
		}
		spec := newSpec(t, p.ID, "system:node:a")
		spec.CSRPEM = requestRSA(t)
		create := func(id, commonName string) api.Certificate {
			t.Helper()
			spec.CommonName, spec.CSRPEM = commonName, requestRSA(t)
			c, err := olga.CreateCertificate(ctx, api.CreateCertificate{ID: id, CertificateSpec: spec})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		rejected := request(create("mc-a", "system:node:a"))
		if _, err := bob.RejectApproval(ctx, rejected.ID, api.Decision{Note: "never"}); err != nil {
			t.Fatal(err)
		}
		check("under another id", request(create("mc-b", "system:node:a")), []string{rejected.ID}, "mc-a")

		other := create("mc-c", "system:node:c")
		a := request(other)
		check("of another name", a, nil)
		if _, err := bob.ApproveApproval(ctx, a.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, *a.JobID)
		other.CommonName = "system:node:a"
		if _, err := olga.ReplaceCertificate(ctx, other.ID, other.CertificateSpec); err != nil {
			t.Fatal(err)
		}
		check("after an approval of another name", request(other), []string{rejected.ID}, "mc-a", "mc-b")
		check("of the name that mc-c had", request(create("mc-d", "system:node:c")), nil)
	})
}

// Such a profile signs nothing without a gate, also if its names are listed.
func TestUngatedNames_StopIdentities(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		lists := newUngatedLists()
		lists.AllowedEKUs = []string{"clientAuth"}
		s.SetUngatedNames(t, lists)
		for field, c := range map[string]struct {
			change   func(*api.ProfileSpec)
			pointers []string
		}{
			"attributes":   {func(p *api.ProfileSpec) { p.AllowedCommonNames = []string{} }, []string{"/subject_attributes/organization/0"}},
			"common-names": {func(p *api.ProfileSpec) { p.SubjectAttributes = api.SubjectAttributes{} }, []string{"/allowed_common_names"}},
		} {
			p := createOpenProfile(t, s, "p-"+field, func(p *api.ProfileSpec) {
				p.AllowedEKUs, p.AllowedCommonNames = []string{"clientAuth"}, []string{"system:node:*"}
				p.SubjectAttributes.Organization = []string{"system:masters"}
				c.change(p)
			})
			if len(p.AllowedCommonNames) == 0 && p.SubjectAttributes.IsZero() {
				t.Fatalf("%s: the profile has neither", field)
			}
			listed := createCertificate(t, s, "mc-"+field, p.ID, "", "host.dev.example.org")
			_, err := olga.RenewCertificate(ctx, listed.ID, api.Renew{})
			checkApprovalRequired(t, err, c.pointers...)
		}
		checkJobs(t, s, 0)
	})
}

// A job that waits for the worker is refused if the profile gets an identity meanwhile.
func TestGate_RefusesAnIdentityAddedMeanwhile(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		lists := newUngatedLists()
		lists.AllowedEKUs = []string{"clientAuth"}
		s.SetUngatedNames(t, lists)
		p := createOpenProfile(t, s, "p-open", func(p *api.ProfileSpec) { p.AllowedEKUs = []string{"clientAuth"} })
		j, err := olga.RenewCertificate(ctx, createCertificate(t, s, "mc-a", p.ID, "", "host.dev.example.org").ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		spec := p.ProfileSpec
		spec.AllowedCommonNames = []string{"*"}
		if _, err := olga.ReplaceProfile(ctx, p.ID, spec); err != nil {
			t.Fatal(err)
		}
		s.Restart(t)
		ended := s.WaitUntilFinalAsVera(t, j.ID)
		if ended.Status != api.JobCancelled || !strings.Contains(ended.ErrorMessage, "/allowed_common_names") {
			t.Errorf("the job is %s: %s", ended.Status, ended.ErrorMessage)
		}
	}, servertest.NoWorkers())
}

// No leaf has the subject of a CA, also not in another case. The caller hears it before anybody is asked.
func TestRenew_RefusesTheSubjectOfTheCA(t *testing.T) {
	issuer, _ := newCA(t, newP256(t)) // O=Test, CN=test CA
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		profile := identityProfile(true)
		profile.SubjectAttributes, profile.KeyUsages = api.SubjectAttributes{Organization: []string{"TEST"}}, nil
		p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: profile})
		if err != nil {
			t.Fatal(err)
		}
		c := createCertificate(t, s, "mc-ca", p.ID, "test CA")
		_, err = olga.RenewCertificate(ctx, c.ID, api.Renew{})
		if refusal := servertest.RequireProblem(t, err, api.CodeInvalidRequest); !strings.Contains(refusal.Errors[0].Detail, "subject is that of the CA") {
			t.Errorf("%+v", refusal.Errors)
		}
	}, servertest.Issuer(issuer))
}

// A profile may allow underscores, and such a name is signed.
func TestIssue_SignsAnUnderscoreIfTheProfileAllowsIt(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := createOpenProfile(t, s, "p-underscores", func(p *api.ProfileSpec) { p.AllowUnderscores = true })
		names := []string{"my_service.example.com", "my_domain.example", "_ldap._tcp.example.com"}
		j, err := s.Client(t, "olga").RenewCertificate(t.Context(), createCertificate(t, s, "mc-u", p.ID, "", names...).ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Fatal(ended.ErrorMessage)
		}
		c, err := s.Client(t, "olga").GetCertificate(t.Context(), "mc-u")
		if err != nil || !slices.Equal(slices.Sorted(slices.Values(c.Current.SANs)), slices.Sorted(slices.Values(names))) {
			t.Errorf("%v, %v", c.Current, err)
		}
	})
}

// Every rule of the new kind waits for a second person, and its author may not approve the certificates.
func TestEdit_OfAnIdentityWaits(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		p := s.CreateProfileAsOlga(t, true)
		for name, change := range map[string]func(*api.ProfileSpec){
			"subject_attributes":   func(p *api.ProfileSpec) { p.SubjectAttributes.Organization = []string{"x"} },
			"allowed_common_names": func(p *api.ProfileSpec) { p.AllowedEKUs, p.AllowedCommonNames = []string{"clientAuth"}, []string{"*"} },
			"key_usages":           func(p *api.ProfileSpec) { p.KeyUsages = []string{"digitalSignature"} },
			"allow_underscores":    func(p *api.ProfileSpec) { p.AllowUnderscores = true },
			"csr_extras":           func(p *api.ProfileSpec) { p.CSRExtras = api.CSRExtrasRefuse },
		} {
			spec := p.ProfileSpec
			change(&spec)
			subject := approveEdit(t, s, p.ID, spec)
			if !strings.Contains(string(subject), name) {
				t.Errorf("%s is not in %s", name, subject)
			}
			if stored, err := olga.GetProfile(ctx, p.ID); err != nil || cmp.Diff(spec, stored.ProfileSpec) != "" {
				t.Errorf("%s: %v %s", name, err, cmp.Diff(spec, stored.ProfileSpec))
			}
			approveEdit(t, s, p.ID, p.ProfileSpec)
		}
	})
}

// approveEdit requests an edit that needs approval as olga, approves it as bob, and returns its subject.
func approveEdit(t *testing.T, s *servertest.Server, id string, spec api.ProfileSpec) json.RawMessage {
	t.Helper()
	_, err := s.Client(t, "olga").ReplaceProfile(t.Context(), id, spec)
	var waiting *client.AwaitingApprovalError
	if !errors.As(err, &waiting) {
		t.Fatalf("the edit does not wait: %v", err)
	}
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), waiting.Approval.ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	return waiting.Approval.Subject
}

// Clients accept the time stamps of a certificate for nothing but time stamps, with a key of any algorithm.
func TestIssue_SignsATimeStampingCertificate(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := createOpenProfile(t, s, "p-stamps", func(p *api.ProfileSpec) {
			p.AllowedEKUs, p.KeyUsages = []string{"timeStamping"}, []string{"digitalSignature"}
		})
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, csr := range []string{servertest.CSR(t), requestRSA(t), newCSR(t, key)} {
			spec := newSpec(t, p.ID, "", "stamps.example.com")
			spec.CSRPEM = csr
			verifyEverywhere(t, issueLeaf(t, s, spec), p.AllowedEKUs)
		}
	})
}

// RFC 5280 asks for one key usage that fits clientAuth. The usages of an RSA key are more, and no fault.
func TestIssue_SignsAnRSAClient(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := createOpenProfile(t, s, "p-clients", func(p *api.ProfileSpec) { p.AllowedEKUs = []string{"clientAuth"} })
		spec := newSpec(t, p.ID, "", "client.example.com")
		spec.CSRPEM = requestRSA(t)
		c, err := s.Client(t, "olga").CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		j, err := s.Client(t, "olga").RenewCertificate(t.Context(), c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Error(ended.ErrorMessage)
		}
	})
}
