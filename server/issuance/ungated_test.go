package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// newUngatedLists returns the names that these tests sign without approval.
func newUngatedLists() api.UngatedLists {
	return api.UngatedLists{
		AllowedDNSNames: []string{"*.dev.example.com", "host.dev.example.org"}, AllowedIPRanges: []string{"10.0.0.0/8"},
		AllowedURIs: []string{"spiffe://dev.example.com/**"}, AllowedEmailDomains: []string{"dev.example.com"}, AllowedEKUs: []string{"serverAuth"},
	}
}

// createOpenProfile makes a profile as olga, without a gate, that allows every name it can.
func createOpenProfile(t *testing.T, s *servertest.Server, id string, edit func(*api.ProfileSpec)) api.Profile {
	t.Helper()
	spec := api.DefaultProfileSpec()
	spec.Name, spec.AllowedDNSNames, spec.AllowWildcardNames = id, []string{"**"}, true
	spec.AllowedIPRanges, spec.AllowedEmailDomains = []string{"0.0.0.0/0", "::/0"}, []string{"example.com", "dev.example.com"}
	spec.AllowedURIs = []string{"spiffe://dev.example.com/**", "spiffe://example.com/**"}
	if edit != nil {
		edit(&spec)
	}
	p, err := s.Client(t, "olga").CreateProfile(context.Background(), api.CreateProfile{ID: id, ProfileSpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func createCertificate(t *testing.T, s *servertest.Server, id, profileID, commonName string, sans ...string) api.Certificate {
	t.Helper()
	c, err := s.Client(t, "olga").CreateCertificate(context.Background(), api.CreateCertificate{ID: id, CertificateSpec: newSpec(t, profileID, commonName, sans...)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newSpec(t *testing.T, profileID, commonName string, sans ...string) api.CertificateSpec {
	t.Helper()
	spec := api.DefaultCertificateSpec()
	spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM = commonName, append([]string{}, sans...), profileID, servertest.CSR(t)
	return spec
}

// checkApprovalRequired fails the test unless the call was refused with approval_required at these pointers.
func checkApprovalRequired(t *testing.T, err error, pointers ...string) {
	t.Helper()
	var got []string
	for _, f := range servertest.RequireProblem(t, err, api.CodeApprovalRequired).Errors {
		got = append(got, f.Pointer)
	}
	if !slices.Equal(got, pointers) {
		t.Errorf("refused at %v, want %v", got, pointers)
	}
}

// checkJobs fails the test unless there are want jobs.
func checkJobs(t *testing.T, s *servertest.Server, want int) {
	t.Helper()
	jobs := 0
	if s.Query(t, &jobs, "SELECT count(*) FROM jobs"); jobs != want {
		t.Errorf("there are %d jobs, want %d", jobs, want)
	}
}

// One operator alone cannot have a name signed that is not listed.
func TestUngatedNames_StopOnePersonAlone(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		// gated is a certificate that a second person approved.
		first := s.RequestOlgasCertificate(t, "alice")
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *first.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, first.ID)
		gated, err := olga.GetCertificate(ctx, first.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		s.SetUngatedNames(t, newUngatedLists())
		open := createOpenProfile(t, s, "p-open", nil)
		client := createOpenProfile(t, s, "p-client", func(p *api.ProfileSpec) { p.AllowedEKUs = []string{"serverAuth", "clientAuth"} })

		for i, c := range []struct {
			name, profile, commonName string
			sans                      []string
			pointers                  []string
		}{
			{"a gated certificate's name", open.ID, gated.CommonName, gated.SANs, []string{"/sans/0"}},
			{"a new name", open.ID, "", []string{"admin.prod.example.com"}, []string{"/sans/0"}},
			{"beside listed names, in the order as written", open.ID, "z.dev.example.com", []string{"z.dev.example.com", "b.example.com", "a.dev.example.com", "a.example.com"}, []string{"/sans/1", "/sans/3"}},
			{"a wildcard over it", open.ID, "", []string{"*.example.com"}, []string{"/sans/0"}},
			{"a wildcard over a listed name", open.ID, "", []string{"*.dev.example.org"}, []string{"/sans/0"}},
			{"a wildcard below the pattern", open.ID, "", []string{"*.x.dev.example.com"}, []string{"/sans/0"}},
			{"an IP address", open.ID, "", []string{"11.0.0.1"}, []string{"/sans/0"}},
			{"an IPv6 address", open.ID, "", []string{"fd00::1"}, []string{"/sans/0"}},
			{"a URI", open.ID, "", []string{"spiffe://example.com/admin"}, []string{"/sans/0"}},
			{"an e-mail address", open.ID, "", []string{"root@example.com"}, []string{"/sans/0"}},
			{"an unlisted usage", client.ID, "", []string{"a.dev.example.com"}, []string{"/extended_key_usages/0"}},
			{"an unlisted usage and name", client.ID, "", []string{"a.example.com"}, []string{"/sans/0", "/extended_key_usages/0"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				cert := createCertificate(t, s, fmt.Sprintf("mc-attack-%d", i), c.profile, c.commonName, c.sans...)
				preview, err := s.Client(t, "vera").PreviewRenewal(ctx, cert.ID, api.Renew{})
				if err != nil || preview.Outcome != api.RenewalRefused || preview.Problem == nil {
					t.Fatalf("the preview: %v %+v", err, preview)
				}
				checkApprovalRequired(t, preview.Problem, c.pointers...)
				for _, who := range []string{"olga", "terraform"} {
					_, err := s.Client(t, who).RenewCertificate(ctx, cert.ID, api.Renew{CSRPEM: servertest.CSR(t)})
					checkApprovalRequired(t, err, c.pointers...)
				}
			})
		}

		// The gated profile is deleted and made again without a gate. Its certificate is archived and made again.
		if err := olga.DeleteCertificate(ctx, gated.ID); err != nil {
			t.Fatal(err)
		}
		old, err := olga.GetProfile(ctx, gated.ProfileID)
		if err != nil {
			t.Fatal(err)
		}
		if err := olga.DeleteProfile(ctx, old.ID); err != nil {
			t.Fatal(err)
		}
		old.RequiresApproval = false
		clone := createOpenProfile(t, s, "p-clone", func(p *api.ProfileSpec) { *p = old.ProfileSpec; p.Name = "clone" })
		if _, err := olga.CreateProfile(ctx, api.CreateProfile{ID: old.ID, ProfileSpec: old.ProfileSpec}); err != nil {
			t.Fatal(err)
		}
		for id, profileID := range map[string]string{gated.ID: old.ID, "mc-clone": clone.ID} {
			_, err := olga.RenewCertificate(ctx, createCertificate(t, s, id, profileID, gated.CommonName, gated.SANs...).ID, api.Renew{})
			checkApprovalRequired(t, err, "/sans/0")
		}
		checkJobs(t, s, 1)
	})
}

// Listed names of every kind are signed without approval. A name that a second person approved needs no list.
func TestUngatedNames_AreSignedWithoutApproval(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		s.SetUngatedNames(t, newUngatedLists())
		open := createOpenProfile(t, s, "p-open", nil)
		c := createCertificate(t, s, "mc-dev", open.ID, "a.dev.example.com",
			"a.dev.example.com", "*.dev.example.com", "host.dev.example.org", "10.1.2.3", "spiffe://dev.example.com/a/b", "x@dev.example.com")
		j, err := s.Client(t, "olga").RenewCertificate(ctx, c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Errorf("listed names: %s %s", ended.Status, ended.ErrorMessage)
		}
		gated := s.RequestOlgasCertificate(t, "alice")
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *gated.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		if ended := s.WaitUntilFinalAsVera(t, gated.ID); ended.Status != api.JobCompleted {
			t.Errorf("approved names: %s %s", ended.Status, ended.ErrorMessage)
		}
	})
}

// A job that a human approved is signed, even if its profile lost its gate before the signature.
func TestUngatedNames_DoNotBindAnApprovedJob(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		s.SetUngatedNames(t, api.UngatedLists{})
		j := s.RequestOlgasCertificate(t, "alice")
		a, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Client(t, "olga").GetProfile(ctx, *a.ProfileID)
		if err != nil {
			t.Fatal(err)
		}
		p.RequiresApproval = false
		_, err = s.Client(t, "olga").ReplaceProfile(ctx, p.ID, p.ProfileSpec)
		var waits *client.AwaitingApprovalError
		if !errors.As(err, &waits) {
			t.Fatalf("turning the gate off does not wait: %v", err)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, waits.Approval.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.Restart(t)
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Errorf("%s %s", ended.Status, ended.ErrorMessage)
		}
		_, err = s.Client(t, "alice").RenewCertificate(ctx, j.CertificateID, api.Renew{})
		checkApprovalRequired(t, err, "/sans/0", "/extended_key_usages/0")
	}, servertest.NoWorkers())
}

// If a write with issue=true is refused, it stores nothing. The pointers of the refusal point into its body.
func TestUngatedNames_RefuseAWriteThatIssues(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		s.SetUngatedNames(t, newUngatedLists())
		open := createOpenProfile(t, s, "p-open", nil)
		issue := client.IssueOptions{}
		spec := newSpec(t, open.ID, "", "z.dev.example.com", "b.example.com")
		_, err := olga.CreateCertificate(ctx, api.CreateCertificate{ID: "mc-b", CertificateSpec: spec}, issue)
		checkApprovalRequired(t, err, "/sans/1")
		_, err = olga.GetCertificate(ctx, "mc-b")
		servertest.RequireProblem(t, err, api.CodeNotFound)

		spec.SANs = []string{"z.dev.example.com"}
		created, err := olga.CreateCertificate(ctx, api.CreateCertificate{ID: "mc-b", CertificateSpec: spec}, issue)
		if err != nil || created.OpenJobID == nil {
			t.Fatalf("%v %+v", err, created)
		}
		s.WaitUntilFinalAsVera(t, *created.OpenJobID)
		spec.SANs = []string{"z.dev.example.com", "a.example.com"}
		_, err = olga.ReplaceCertificate(ctx, "mc-b", spec, issue)
		checkApprovalRequired(t, err, "/sans/1")
		if c, err := olga.GetCertificate(ctx, "mc-b"); err != nil || c.Version != created.Version || len(c.SANs) != 1 {
			t.Errorf("the refused write is stored: %v %+v", err, c)
		}
		// Storing a name needs no approval, since nothing is signed.
		if _, err := olga.ReplaceCertificate(ctx, "mc-b", spec); err != nil {
			t.Error(err)
		}
		checkJobs(t, s, 1)
	})
}

// The list binds jobs that were opened before it was set. The gate refuses them, and nothing is signed.
func TestUngatedNames_BindOpenJobs(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		open := createOpenProfile(t, s, "p-open", func(p *api.ProfileSpec) { p.AllowedEKUs = []string{"clientAuth", "serverAuth"} })
		listed, other := s.CreateProfileAsOlga(t, false), s.CreateProfileAsOlga(t, false)
		jobs := map[string]string{}
		for name, c := range map[string]api.Certificate{
			"name": s.CreateCertificateAsOlga(t, other.ID), "usage": createCertificate(t, s, "mc-usage", open.ID, "", "a.dev.example.com"),
			"listed": createCertificate(t, s, "mc-listed", listed.ID, "", "a.dev.example.com"),
		} {
			j, err := s.Client(t, "olga").RenewCertificate(ctx, c.ID, api.Renew{})
			if err != nil {
				t.Fatal(err)
			}
			jobs[name] = j.ID
		}
		s.SetUngatedNames(t, newUngatedLists())
		s.Restart(t)
		for name, want := range map[string]string{"name": "no human approved it: /sans/0 ", "usage": "no human approved it: /extended_key_usages/0 "} {
			if j := s.WaitUntilFinalAsVera(t, jobs[name]); j.Status != api.JobCancelled || !strings.HasPrefix(j.ErrorMessage, want) {
				t.Errorf("%s: %s %q", name, j.Status, j.ErrorMessage)
			}
		}
		if j := s.WaitUntilFinalAsVera(t, jobs["listed"]); j.Status != api.JobCompleted {
			t.Errorf("listed: %s %q", j.Status, j.ErrorMessage)
		}
		leaves := 0
		if s.Query(t, &leaves, "SELECT count(*) FROM leaves"); leaves != 1 {
			t.Errorf("there are %d leaves", leaves)
		}
	}, servertest.NoWorkers())
}

// The bypass approves only listed names, at the request and again before the signature.
func TestUngatedNames_BindTheBypass(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, alice := context.Background(), s.Client(t, "alice")
		gated := s.CreateProfileAsOlga(t, true)
		before := s.CreateCertificateAsOlga(t, gated.ID)
		bypassed, err := alice.RenewCertificate(ctx, before.ID, api.Renew{})
		if err != nil || bypassed.Status != api.JobPending {
			t.Fatalf("%v %+v", err, bypassed)
		}
		s.SetUngatedNames(t, newUngatedLists())
		_, err = alice.RenewCertificate(ctx, s.CreateCertificateAsOlga(t, gated.ID).ID, api.Renew{})
		checkApprovalRequired(t, err, "/sans/0")
		listed, err := alice.RenewCertificate(ctx, createCertificate(t, s, "mc-dev", gated.ID, "", "a.dev.example.com").ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		s.Restart(t)
		if j := s.WaitUntilFinalAsVera(t, bypassed.ID); j.Status != api.JobCancelled || !strings.HasPrefix(j.ErrorMessage, "no human approved it: /sans/0 ") {
			t.Errorf("bypassed: %s %q", j.Status, j.ErrorMessage)
		}
		if j := s.WaitUntilFinalAsVera(t, listed.ID); j.Status != api.JobCompleted {
			t.Errorf("listed: %s %q", j.Status, j.ErrorMessage)
		}
	}, servertest.NoWorkers(), servertest.Bypass())
}

// If the scheduler is refused, it opens no job and logs the reason.
func TestUngatedNames_BindTheScheduler(t *testing.T) {
	log := &servertest.LogBuffer{}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
		j, err := s.Client(t, "alice").RenewCertificate(context.Background(), c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, j.ID)
		s.SetUngatedNames(t, newUngatedLists())
		s.Clock.Advance(61 * 24 * time.Hour)
		checkRenewals(t, s)
		renewDue(t, s)
		renewDue(t, s)
		checkJobs(t, s, 1)
		if text := log.String(); !strings.Contains(text, "the renewal of a certificate is blocked") || !strings.Contains(text, "approval_required") {
			t.Errorf("the log: %s", text)
		}
		// Once the names are listed, the next tick requests the certificate.
		lists := newUngatedLists()
		lists.AllowedDNSNames = c.SANs
		s.SetUngatedNames(t, lists)
		renewDue(t, s)
		if jobs := listJobs(t, s, c.ID); len(jobs) != 2 || s.WaitUntilFinalAsVera(t, jobs[0].ID).Status != api.JobCompleted {
			t.Errorf("%+v", jobs)
		}
	}, servertest.Log(log))
}

// The gate waits for a change of the list, and then sees it. A change of the list waits for the gate.
func TestUngatedNames_WaitForASignature(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t)
	ctx := context.Background()
	c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
	names, err := rules.NewUngatedNames(newUngatedLists())
	if err != nil {
		t.Fatal(err)
	}
	changed, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Store.Write(ctx, func(tx *store.Tx) error {
			if err := profile.SetUngatedNames(tx, names); err != nil {
				return err
			}
			close(changed)
			<-release
			return nil
		})
	}()
	<-changed
	j, err := s.Client(t, "alice").RenewCertificate(ctx, c.ID, api.Renew{}) // not refused: the change is not committed
	if err != nil {
		t.Fatal(err)
	}
	s.WaitForLocks(t, 1)
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if j := s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCancelled || !strings.HasPrefix(j.ErrorMessage, "no human approved it") {
		t.Errorf("%s %q", j.Status, j.ErrorMessage)
	}

	shared, goOn := make(chan struct{}), make(chan struct{})
	go func() {
		done <- s.Store.Write(ctx, func(tx *store.Tx) error {
			_, err := profile.ShareUngatedNames(tx)
			close(shared)
			<-goOn
			return err
		})
	}()
	<-shared
	set := make(chan error, 1)
	go func() {
		set <- s.Store.Write(ctx, func(tx *store.Tx) error { return profile.SetUngatedNames(tx, rules.AllowAllNames()) })
	}()
	s.WaitForLocks(t, 1)
	if now, err := s.Client(t, "vera").GetUngatedNames(ctx); err != nil || now.AllowAll {
		t.Errorf("the change did not wait: %v %+v", err, now)
	}
	close(goOn)
	for _, ended := range []chan error{done, set} {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
