package faults_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// startFunc runs a server until the test ends.
type startFunc func(t testing.TB, opts ...servertest.Option) *servertest.Server

// runOnEach runs a test on both databases, in parallel. The test starts its servers with options of its own.
func runOnEach(t *testing.T, test func(t *testing.T, start startFunc)) {
	t.Helper()
	t.Parallel()
	for name, run := range map[string]startFunc{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t testing.TB, opts ...servertest.Option) *servertest.Server {
				s := run(t, opts...)
				t.Cleanup(func() {
					checkLeaves(t, s.Store)
					checkProfiles(t, s.Store)
				})
				return s
			})
		})
	}
}

// checkLeaves compares every leaf with its intent and with the approved subject.
func checkLeaves(t testing.TB, db *store.Store) {
	t.Helper()
	var leaves []struct {
		JobID          string
		CertificatePEM string `gorm:"column:certificate_pem"`
		TBS            []byte `gorm:"column:tbs"`
		Subject        string
		Approved       *string
		State          *string
	}
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.DB.Raw(`SELECT l.job_id, l.certificate_pem, i.tbs, j.subject, a.subject AS approved, a.state
			FROM leaves l JOIN intents i ON i.job_id = l.job_id JOIN jobs j ON j.id = l.job_id
			LEFT JOIN approvals a ON a.id = j.approval_id`).Scan(&leaves).Error
	})
	if err != nil {
		t.Error(err)
		return
	}
	for _, l := range leaves {
		cert := parseCertificate(t, l.CertificatePEM)
		if string(cert.RawTBSCertificate) != string(l.TBS) {
			t.Errorf("job %s: the signed bytes are not the intent", l.JobID)
		}
		if l.Approved != nil && (*l.Approved != l.Subject || *l.State != "approved") {
			t.Errorf("job %s: the signed subject was not approved", l.JobID)
		}
		var subject api.IssuanceSubject
		if err := json.Unmarshal([]byte(l.Subject), &subject); err != nil {
			t.Error(err)
		}
		if !slices.Equal(cert.DNSNames, subject.SANs) {
			t.Errorf("job %s: signed for %v, requested for %v", l.JobID, cert.DNSNames, subject.SANs)
		}
	}
}

// checkProfiles compares each profile, its audit trail and its approvals. Each version follows from the version before. A
// version that weakens a gated profile was approved, and each approved edit applied once. Each intent without approval has a
// version without the gate.
func checkProfiles(t testing.TB, db *store.Store) {
	t.Helper()
	var approved []struct{ ID, Subject string }
	var events []struct{ ResourceID, Details string }
	var stored []struct {
		ID      string
		Spec    store.JSON[api.ProfileSpec]
		Version int64
	}
	var unapproved []struct {
		JobID, ProfileID string
		ProfileVersion   int64
	}
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		for query, rows := range map[string]any{
			"SELECT id, subject FROM approvals WHERE kind = 'profile_edit' AND state = 'approved'":                                       &approved,
			"SELECT resource_id, details FROM audit_events WHERE action IN ('profile_created', 'profile_updated')":                       &events,
			"SELECT id, spec, version FROM profiles":                                                                                     &stored,
			"SELECT i.job_id, j.profile_id, i.profile_version FROM intents i JOIN jobs j ON j.id = i.job_id WHERE j.approval_id IS NULL": &unapproved,
		} {
			if err := tx.DB.Raw(query).Scan(rows).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
		return
	}
	type versionKey struct {
		profile string
		version int64
	}
	type step struct{ before, after api.ProfileSpec }
	steps, last := map[versionKey]step{}, map[string]int64{}
	for _, e := range events {
		var d struct {
			Profile, Before, After api.ProfileSpec
			Version                int64
		}
		if err := json.Unmarshal([]byte(e.Details), &d); err != nil {
			t.Error(err)
		}
		if d.Version == 0 { // a new profile
			d.Version, d.After = 1, d.Profile
		}
		if _, twice := steps[versionKey{e.ResourceID, d.Version}]; twice {
			t.Errorf("profile %s became version %d twice", e.ResourceID, d.Version)
		}
		steps[versionKey{e.ResourceID, d.Version}] = step{d.Before, d.After}
		last[e.ResourceID] = max(last[e.ResourceID], d.Version)
	}
	edits := map[versionKey]api.EditSubject{}
	for _, a := range approved {
		var edit api.EditSubject
		if err := json.Unmarshal([]byte(a.Subject), &edit); err != nil {
			t.Error(err)
		}
		// Versions that change only description or labels may come between.
		at := versionKey{edit.ProfileID, edit.BaseVersion + 1}
		for step, ok := steps[at]; ok && profile.SameRules(step.before, step.after); step, ok = steps[at] {
			at.version++
		}
		if _, twice := edits[at]; twice {
			t.Errorf("two edits of version %d of profile %s were approved", edit.BaseVersion, edit.ProfileID)
		}
		edits[at] = edit
		if applied, ok := steps[at]; !ok || !profile.SameRules(applied.before, edit.Before.Spec()) || !profile.SameRules(applied.after, edit.After.Spec()) {
			t.Errorf("edit %s was approved, but another edit applied", a.ID)
		}
	}
	for at, step := range steps {
		if at.version == 1 {
			continue
		}
		if before, ok := steps[versionKey{at.profile, at.version - 1}]; !ok || !rules.SameProfile(before.after, step.before) {
			t.Errorf("version %d of profile %s does not follow from the version before", at.version, at.profile)
		}
		disabled := step.before
		disabled.Enabled = false
		waits := step.before.RequiresApproval && !profile.SameRules(step.before, step.after) && !profile.SameRules(disabled, step.after)
		if _, ok := edits[at]; ok != waits {
			t.Errorf("version %d of profile %s: approved: %v, to be approved: %v", at.version, at.profile, ok, waits)
		}
	}
	for _, p := range stored {
		if p.Version != last[p.ID] || !rules.SameProfile(p.Spec.V, steps[versionKey{p.ID, p.Version}].after) {
			t.Errorf("profile %s has version %d, but the audit trail differs", p.ID, p.Version)
		}
	}
	for _, i := range unapproved {
		if by, ok := steps[versionKey{i.ProfileID, i.ProfileVersion}]; !ok || by.after.RequiresApproval {
			t.Errorf("job %s was admitted without approval under a gated profile", i.JobID)
		}
	}
}

func parseCertificate(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("the text is no PEM: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// people have one client each.
type people struct{ alice, bob, carol, olga, vera *client.Client }

func peopleOf(t testing.TB, s *servertest.Server) people {
	t.Helper()
	return people{s.Client(t, "alice"), s.Client(t, "bob"), s.Client(t, "carol"), s.Client(t, "olga"), s.Client(t, "vera")}
}

// requestNew makes a certificate as olga and requests it as alice.
func requestNew(t testing.TB, s *servertest.Server, p people, profileID string) (api.Certificate, api.Job) {
	t.Helper()
	c := s.CreateCertificateAsOlga(t, profileID)
	j, err := p.alice.RenewCertificate(context.Background(), c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	return c, j
}

// callTogether runs all calls at once, as far as a machine can.
func callTogether(calls ...func()) {
	var ready, done sync.WaitGroup
	ready.Add(len(calls))
	for _, call := range calls {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			time.Sleep(rand.N(time.Millisecond))
			call()
		})
	}
	done.Wait()
}

// codeOf returns the code of a problem; empty for no error.
func codeOf(err error) api.Code {
	var p *api.Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Code()
	}
	return api.Code(fmt.Sprintf("not a problem: %v", err))
}

// checkAnswer fails the test unless err is nil or an allowed problem. It returns the code.
func checkAnswer(t testing.TB, call string, err error, allowed ...api.Code) api.Code {
	t.Helper()
	c := codeOf(err)
	if c != "" && !slices.Contains(allowed, c) {
		t.Errorf("%s: %v", call, err)
	}
	return c
}

func getJob(t testing.TB, p people, id string) api.Job {
	t.Helper()
	j, err := p.vera.GetJob(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// waitUntilEnded waits until a job is final, and fails the test unless it has the status and the message.
func waitUntilEnded(t testing.TB, s *servertest.Server, id string, want api.JobStatus, message string) api.Job {
	t.Helper()
	j := s.WaitUntilFinalAsVera(t, id)
	if j.Status != want || j.ErrorMessage != message {
		t.Errorf("job %s is %s (%s), want %s (%s)", id, j.Status, j.ErrorMessage, want, message)
	}
	return j
}

// countRows returns the number that a query counts, past the server.
func countRows(t testing.TB, s *servertest.Server, query string, args ...any) int {
	t.Helper()
	n := 0
	s.Query(t, &n, query, args...)
	return n
}

// newOtherCA makes a CA that no subject of these tests names.
func newOtherCA(t testing.TB) gate.Issuer {
	t.Helper()
	config := app.Config{DataDir: t.TempDir()}
	ca, err := config.LoadCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
