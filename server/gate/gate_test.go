package gate_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// If something changes between the request and its signature, by the API or past it, the gate refuses. The job ends, the
// approval stays as it is, and nothing is signed.
func TestGate_RefusesAChangeAfterTheRequest(t *testing.T) {
	cases := []struct {
		name   string
		gated  bool
		change func(t *testing.T, s *servertest.Server, j api.Job)
		reason string
	}{
		{"the gate is turned on", false, editProfile(func(p *api.ProfileSpec) { p.RequiresApproval = true }), "requires approval"},
		{"the names are no longer allowed", false, editProfile(func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"example.com"} }), "does not allow it: /sans/0"},
		{"the key is no longer allowed", false, editProfile(func(p *api.ProfileSpec) {
			p.AllowedKeyAlgorithms = []api.KeyAlgorithm{{Algorithm: api.AlgorithmRSA, MinSize: 2048}}
		}), "does not allow it: /csr_pem"},
		{"another lifetime", false, editProfile(func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 }), "subject changed"},
		{"another use", false, editProfile(func(p *api.ProfileSpec) { p.AllowedEKUs = []string{"clientAuth"} }), "subject changed"},
		{"another organisation", false, editProfile(func(p *api.ProfileSpec) { p.SubjectAttributes.Organization = []string{"x"} }), "subject changed"},
		{"other key usages", false, editProfile(func(p *api.ProfileSpec) { p.KeyUsages = []string{"digitalSignature", "contentCommitment"} }), "subject changed"},
		{"key usages that the key cannot have", false, editProfile(func(p *api.ProfileSpec) { p.KeyUsages = []string{"keyEncipherment"} }), "subject changed"},
		{"another CA", true, func(t *testing.T, s *servertest.Server, _ api.Job) { s.ReplaceIssuer(t, newOtherCA(t)) }, "subject changed"},
		{"names changed past the server", true, func(t *testing.T, s *servertest.Server, j api.Job) {
			s.Exec(t, `UPDATE certificates SET spec = replace(spec, '"host-', '"evil-') WHERE id = ?`, j.CertificateID)
		}, "subject changed"},
		{"archived past the server", true, func(t *testing.T, s *servertest.Server, j api.Job) {
			s.Exec(t, `UPDATE certificates SET archived_at = created_at WHERE id = ?`, j.CertificateID)
		}, "archived"},
		{"profile deleted past the server", true, func(t *testing.T, s *servertest.Server, _ api.Job) {
			s.Exec(t, `DELETE FROM profiles`)
		}, "gone"},
		{"the job's request changed past the server", true, func(t *testing.T, s *servertest.Server, j api.Job) {
			dropGuard(t, s, "jobs")
			s.Exec(t, `UPDATE jobs SET csr_pem = ? WHERE id = ?`, servertest.CSR(t), j.ID)
		}, "subject changed"},
		{"the approval is of another job", true, func(t *testing.T, s *servertest.Server, j api.Job) {
			dropGuard(t, s, "approvals")
			s.Exec(t, `UPDATE approvals SET job_id = 'job-other' WHERE id = ?`, *j.ApprovalID)
		}, "something else"},
		{"the approval is for another digest", true, func(t *testing.T, s *servertest.Server, j api.Job) {
			dropGuard(t, s, "approvals")
			s.Exec(t, `UPDATE approvals SET digest = 'sha256:0' WHERE id = ?`, *j.ApprovalID)
		}, "something else"},
		{"the approval is rejected past the server", true, func(t *testing.T, s *servertest.Server, j api.Job) {
			dropGuard(t, s, "approvals")
			s.Exec(t, `UPDATE approvals SET state = 'rejected' WHERE id = ?`, *j.ApprovalID)
		}, "its approval is rejected"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				j := createReadyJob(t, s, c.gated)
				c.change(t, s, j)
				s.Restart(t)
				ended := s.WaitUntilFinalAsVera(t, j.ID)
				if ended.Status != api.JobCancelled || !strings.Contains(ended.ErrorMessage, c.reason) {
					t.Errorf("the job is %s: %q", ended.Status, ended.ErrorMessage)
				}
				checkNothingSigned(t, s, j.ID)
			}, servertest.NoWorkers(), servertest.WithoutInvariants())
		})
	}
}

// Under a disabled profile a job waits and keeps its approval. Once the profile is enabled, the job is signed at once. No
// attempt is counted.
func TestGate_KeepsAJobWaitingUnderADisabledProfile(t *testing.T) {
	for _, gated := range []bool{true, false} {
		t.Run(fmt.Sprintf("gated %t", gated), func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				ctx := context.Background()
				j := createReadyJob(t, s, gated)
				editProfile(func(p *api.ProfileSpec) { p.Enabled = false })(t, s, j)
				s.Restart(t)
				servertest.WaitUntil(t, func() error {
					waiting, err := s.Client(t, "vera").GetJob(ctx, j.ID)
					if err == nil && (waiting.Status != api.JobPending || waiting.ErrorMessage != "the profile is disabled" || waiting.Attempt != 0) {
						err = fmt.Errorf("the job is %s: %q, attempt %d", waiting.Status, waiting.ErrorMessage, waiting.Attempt)
					}
					return err
				})
				signed := -1
				if s.Query(t, &signed, `SELECT count(*) FROM intents`); signed != 0 {
					t.Errorf("there are %d intents", signed)
				}
				enableProfile(t, s, j)
				if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted || ended.ErrorMessage != "" {
					t.Errorf("the job is %s: %q", ended.Status, ended.ErrorMessage)
				}
			}, servertest.NoWorkers())
		})
	}
}

// enableProfile enables the profile of a job as olga. If the profile is gated, bob approves the edit.
func enableProfile(t *testing.T, s *servertest.Server, j api.Job) {
	t.Helper()
	ctx, olga := context.Background(), s.Client(t, "olga")
	c, err := olga.GetCertificate(ctx, j.CertificateID)
	if err != nil {
		t.Fatal(err)
	}
	p, err := olga.GetProfile(ctx, c.ProfileID)
	if err != nil {
		t.Fatal(err)
	}
	p.Enabled = true
	_, err = olga.ReplaceProfile(ctx, p.ID, p.ProfileSpec)
	var waiting *client.AwaitingApprovalError
	if errors.As(err, &waiting) {
		_, err = s.Client(t, "bob").ApproveApproval(ctx, waiting.Approval.ID, api.Decision{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// If a job is set to Pending past the server while its approval waits, the gate refuses it.
func TestGate_RefusesAPendingApproval(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j := s.RequestOlgasCertificate(t, "alice")
		dropGuard(t, s, "jobs")
		s.Exec(t, `UPDATE jobs SET status = 'Pending' WHERE id = ?`, j.ID)
		s.Restart(t)
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.ErrorMessage != "its approval is pending" {
			t.Errorf("the job is %s: %q", ended.Status, ended.ErrorMessage)
		}
		checkNothingSigned(t, s, j.ID)
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}

// The gate counts only an approval by a person, or by the bypass where it is on. The schema refuses other deciders too, so
// the test drops its guard.
func TestGate_RefusesADeciderThatIsNoPerson(t *testing.T) {
	for _, decider := range []string{"system-reaper", "system-bypass", "terraform", "nobody"} {
		t.Run(decider, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				j := s.RequestOlgasCertificate(t, "olga")
				dropGuard(t, s, "approvals")
				s.Exec(t, `UPDATE approvals SET state = 'approved', decided_by = ?, decided_at = created_at WHERE id = ?`, decider, *j.ApprovalID)
				s.Exec(t, `UPDATE jobs SET status = 'Pending' WHERE id = ?`, j.ID)
				s.Restart(t)
				ended := s.WaitUntilFinalAsVera(t, j.ID)
				if ended.Status != api.JobCancelled || !strings.HasPrefix(ended.ErrorMessage, "its approval was ") {
					t.Errorf("the job is %s: %q", ended.Status, ended.ErrorMessage)
				}
				checkNothingSigned(t, s, j.ID)
			}, servertest.NoWorkers(), servertest.WithoutInvariants())
		})
	}
}

// An approval still counts if its decider was disabled after the decision.
func TestGate_AdmitsAnApprovalOfAPersonDisabledLater(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j := createReadyJob(t, s, true)
		s.Disable(t, "bob")
		s.Restart(t)
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Errorf("the job is %s: %q", ended.Status, ended.ErrorMessage)
		}
	}, servertest.NoWorkers())
}

// A job whose intent has expired is cancelled. Its certificate would be expired from the start.
func TestGate_RefusesAnExpiredIntent(t *testing.T) {
	test := func(t *testing.T, start func(testing.TB, ...servertest.Option) *servertest.Server) {
		t.Parallel()
		issuer := &failingIssuer{Issuer: servertest.CA(t)}
		issuer.down.Store(true)
		s := start(t, servertest.Issuer(issuer))
		ctx, vera := context.Background(), s.Client(t, "vera")
		p := s.CreateProfileAsOlga(t, false)
		p.MaxTTLSeconds = 3600
		if _, err := s.Client(t, "olga").ReplaceProfile(ctx, p.ID, p.ProfileSpec); err != nil {
			t.Fatal(err)
		}
		c := s.CreateCertificateAsOlga(t, p.ID)
		j, err := s.Client(t, "alice").RenewCertificate(ctx, c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		servertest.WaitUntil(t, func() error {
			j, err := vera.GetJob(ctx, j.ID)
			if err == nil && (j.Attempt == 0 || j.Status != api.JobPending) {
				err = fmt.Errorf("the job is %s after %d attempts", j.Status, j.Attempt)
			}
			return err
		})
		issuer.down.Store(false)
		s.Clock.Advance(2 * time.Hour)
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCancelled || ended.ErrorMessage != "the certificate would have expired" {
			t.Errorf("the job is %s: %q", ended.Status, ended.ErrorMessage)
		}
		got, err := vera.GetCertificate(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Current != nil {
			t.Errorf("at %s the current leaf ends %s", s.Clock.Now().UTC(), got.Current.NotAfter)
		}
	}
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { test(t, servertest.New) })
	t.Run("postgres", func(t *testing.T) { test(t, servertest.NewPostgres) })
}

// failingIssuer fails while it is down.
type failingIssuer struct {
	gate.Issuer
	down atomic.Bool
}

func (f *failingIssuer) Sign(ctx context.Context, permit gate.Permit) (gate.Chain, error) {
	if f.down.Load() {
		return gate.Chain{}, errors.New("down")
	}
	return f.Issuer.Sign(ctx, permit)
}

// Without the row of the ungated names, a job waits and nothing is signed.
func TestGate_SignsNothingWithoutTheUngatedNames(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j := createReadyJob(t, s, false)
		if s.Store.IsSQLite() {
			s.Exec(t, "DROP TRIGGER ungated_names_no_delete")
		} else {
			s.Exec(t, "ALTER TABLE ungated_names DISABLE TRIGGER ALL")
		}
		s.Exec(t, "DELETE FROM ungated_names")
		s.Restart(t)
		servertest.WaitUntil(t, func() error {
			var row struct {
				Fence  int
				Status string
			}
			if s.Query(t, &row, "SELECT fence, status FROM jobs WHERE id = ?", j.ID); row.Fence == 0 || row.Status != "Pending" {
				return fmt.Errorf("no worker tried: %+v", row)
			}
			return nil
		})
		signed := 0
		if s.Query(t, &signed, `SELECT (SELECT count(*) FROM leaves) + (SELECT count(*) FROM intents)`); signed != 0 {
			t.Errorf("there are %d leaves and intents", signed)
		}
		if _, err := s.Client(t, "alice").RenewCertificate(context.Background(), s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID).ID, api.Renew{}); !api.Is(err, api.CodeInternal) {
			t.Errorf("renew: %v", err)
		}
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}

// createReadyJob requests olga's certificate as alice. If the profile is gated, bob approves.
func createReadyJob(t *testing.T, s *servertest.Server, gated bool) api.Job {
	t.Helper()
	ctx := context.Background()
	c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, gated).ID)
	j, err := s.Client(t, "alice").RenewCertificate(ctx, c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if gated {
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func editProfile(edit func(*api.ProfileSpec)) func(*testing.T, *servertest.Server, api.Job) {
	return func(t *testing.T, s *servertest.Server, j api.Job) {
		t.Helper()
		ctx, olga := context.Background(), s.Client(t, "olga")
		c, err := olga.GetCertificate(ctx, j.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		p, err := olga.GetProfile(ctx, c.ProfileID)
		if err != nil {
			t.Fatal(err)
		}
		edit(&p.ProfileSpec)
		if _, err := olga.ReplaceProfile(ctx, p.ID, p.ProfileSpec); err != nil {
			t.Fatal(err)
		}
	}
}

// dropGuard drops the trigger that keeps rows of a table from being changed.
func dropGuard(t *testing.T, s *servertest.Server, table string) {
	t.Helper()
	if s.Store.IsSQLite() {
		s.Exec(t, "DROP TRIGGER "+table+"_guard")
		return
	}
	s.Exec(t, "ALTER TABLE "+table+" DISABLE TRIGGER ALL")
}

func checkNothingSigned(t *testing.T, s *servertest.Server, jobID string) {
	t.Helper()
	var actions []string
	for e, err := range s.Client(t, "audrey").ListAuditEvents(context.Background(), client.ListAuditEventsOptions{ResourceID: jobID}) {
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, e.Actor+" "+e.Action)
	}
	if !slices.Contains(actions, "system-issuer issuance_refused") || slices.Contains(actions, "system-issuer issuance_admitted") {
		t.Errorf("the audit trail of the job: %q", actions)
	}
	signed := 0
	s.Query(t, &signed, `SELECT (SELECT count(*) FROM leaves) + (SELECT count(*) FROM intents)`)
	if signed != 0 {
		t.Errorf("there are %d leaves and intents", signed)
	}
}

func newOtherCA(t *testing.T) *ca.CA {
	t.Helper()
	certFile, keyFile := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := ca.Create(certFile, keyFile, ca.DefaultOptions(), time.Now()); err != nil {
		t.Fatal(err)
	}
	built, err := ca.Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// longNameIssuer drafts a certificate that breaks RFC 5280: its common name has more than 64 characters.
type longNameIssuer struct{ gate.Issuer }

func (i longNameIssuer) Draft(s gate.Subject, serial gate.Serial, v gate.Validity) ([]byte, error) {
	s.CommonName = strings.Repeat("a", 65)
	return i.Issuer.Draft(s, serial, v)
}

// A request that could never be signed is refused at renew, before anyone is asked to approve it.
func TestRenew_RefusesAnUnsignableRequest(t *testing.T) {
	t.Run("lint", func(t *testing.T) {
		servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
			c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
			_, err := s.Client(t, "alice").RenewCertificate(context.Background(), c.ID, api.Renew{})
			if p := servertest.RequireProblem(t, err, api.CodeInvalidRequest); !strings.Contains(p.Detail, "RFC 5280") {
				t.Error(p)
			}
		}, servertest.Issuer(longNameIssuer{servertest.CA(t)}))
	})
	t.Run("outlives the issuer", func(t *testing.T) {
		servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
			p := s.CreateProfileAsOlga(t, false)
			p.MaxTTLSeconds = 315360000
			if _, err := s.Client(t, "olga").ReplaceProfile(context.Background(), p.ID, p.ProfileSpec); err != nil {
				t.Fatal(err)
			}
			c := s.CreateCertificateAsOlga(t, p.ID)
			s.Clock.Advance(24 * time.Hour)
			_, err := s.Client(t, "alice").RenewCertificate(context.Background(), c.ID, api.Renew{})
			if p := servertest.RequireProblem(t, err, api.CodeInvalidRequest); !strings.Contains(p.Detail, "longer than its issuer") {
				t.Error(p)
			}
		})
	})
}
