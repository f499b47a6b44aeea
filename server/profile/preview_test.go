package profile_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

func previewEdit(t *testing.T, s *servertest.Server, who, id string, spec api.ProfileSpec, opts ...client.EditOption) api.EditPreview {
	t.Helper()
	preview, err := s.Client(t, who).PreviewProfile(context.Background(), api.CreateProfile{ID: id, ProfileSpec: spec}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return preview
}

// countRows counts the rows of every table that a write changes.
func countRows(t *testing.T, s *servertest.Server) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range []string{"profiles", "profile_changes", "approvals", "audit_events", "replays"} {
		n := 0
		s.Query(t, &n, "SELECT count(*) FROM "+table)
		counts[table] = n
	}
	return counts
}

// A preview of a new profile has the outcome of POST. It writes nothing, not even for an operator.
func TestPreview_HasTheOutcomeOfACreate(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		taken := s.CreateProfileAsOlga(t, true)
		spec := taken.ProfileSpec
		spec.Name = "new"
		checkRefusal := func(name string, preview api.EditPreview, code api.Code, pointers ...string) {
			t.Helper()
			if preview.Outcome != api.EditRefused || preview.Problem == nil || preview.Problem.Code() != code || preview.Problem.Status == 0 {
				t.Errorf("%s: %+v", name, preview)
				return
			}
			var got []string
			for _, f := range preview.Problem.Errors {
				got = append(got, f.Pointer)
			}
			if diff := cmp.Diff(pointers, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		for _, who := range []string{"vera", "olga"} {
			s.Key(t, who) // making a key writes an audit row
		}
		before := countRows(t, s)
		for _, id := range []string{"", "p-new"} {
			preview := previewEdit(t, s, "vera", id, spec, client.IdempotencyKey("k"))
			if preview.Outcome != api.EditCreates || preview.Problem != nil || preview.Effects != (api.EditEffects{}) || preview.Warnings == nil {
				t.Errorf("%q: %+v", id, preview)
			}
			if n := len(preview.Changes); n != reflect.TypeFor[api.ProfileSpec]().NumField() || string(preview.Changes[0].Before) != "null" || preview.Changes[0].Pointer != "/allow_underscores" {
				t.Errorf("%q: %d changes, %+v", id, n, preview.Changes)
			}
		}
		if preview := previewEdit(t, s, "olga", "p-new", spec); preview.Outcome != api.EditCreates {
			t.Errorf("%+v", preview)
		}
		wrong := spec
		wrong.MaxTTLSeconds = 1
		checkRefusal("faults", previewEdit(t, s, "vera", "P-x", wrong), api.CodeInvalidRequest, "/max_ttl_seconds", "/id")
		checkRefusal("a name that is taken", previewEdit(t, s, "vera", "p-new", taken.ProfileSpec), api.CodeAlreadyExists)
		checkRefusal("an edit of an absent profile", previewEdit(t, s, "vera", "p-gone", spec, client.IfMatch(1)), api.CodeNotFound)
		checkRefusal("a stale edit", previewEdit(t, s, "vera", taken.ID, spec, client.IfMatch(7)), api.CodePreconditionFailed)
		if diff := cmp.Diff(before, countRows(t, s)); diff != "" {
			t.Errorf("a preview wrote: %s", diff)
		}
	}, servertest.NoWorkers())
}

// The preview has the effects of an edit. If the edit applies at once, the answer has them too.
func TestPreview_HasTheEffectsOfAnEdit(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		p := s.CreateProfileAsOlga(t, false)
		var names []string
		for i := range 3 {
			c := s.CreateCertificateAsOlga(t, p.ID)
			names = append(names, c.CommonName)
			if i > 0 {
				if _, err := olga.RenewCertificate(ctx, c.ID, api.Renew{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range []struct {
			name string
			edit func(*api.ProfileSpec)
			want api.EditEffects
		}{
			{"nothing", func(*api.ProfileSpec) {}, api.EditEffects{}},
			{"label", func(p *api.ProfileSpec) { p.Labels = map[string]string{"a": "b"} }, api.EditEffects{}},
			{"wider", func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**"} }, api.EditEffects{}},
			{"gate on", func(p *api.ProfileSpec) { p.RequiresApproval = true }, api.EditEffects{JobsCancelled: 2}},
			{"another lifetime", func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 }, api.EditEffects{JobsCancelled: 2}},
			{"fewer names", func(p *api.ProfileSpec) { p.AllowedDNSNames = names[:1] }, api.EditEffects{JobsCancelled: 2, RenewalsBlocked: 2}},
			{"another key", func(p *api.ProfileSpec) {
				p.AllowedKeyAlgorithms = []api.KeyAlgorithm{{Algorithm: api.AlgorithmEd25519}}
			}, api.EditEffects{JobsCancelled: 2, RenewalsBlocked: 3}},
			{"disable", func(p *api.ProfileSpec) { p.Enabled = false }, api.EditEffects{RenewalsBlocked: 3}},
			{"refused", func(p *api.ProfileSpec) { p.MaxTTLSeconds, p.RequiresApproval = 1, true }, api.EditEffects{}},
		} {
			spec := p.ProfileSpec
			c.edit(&spec)
			if preview := previewEdit(t, s, "vera", p.ID, spec); preview.Effects != c.want || len(preview.Warnings) > 0 {
				t.Errorf("%s: %+v", c.name, preview)
			}
		}

		labelled := p.ProfileSpec
		labelled.Labels = map[string]string{"a": "b"}
		if answer, err := olga.ReplaceProfile(ctx, p.ID, labelled); err != nil || answer.Effects != nil {
			t.Errorf("labels have the effects %+v, %v", answer.Effects, err)
		}
		gated := p.ProfileSpec
		gated.RequiresApproval, gated.AllowedDNSNames = true, names[:2]
		want := api.EditEffects{JobsCancelled: 2, RenewalsBlocked: 1}
		answer, err := olga.ReplaceProfile(ctx, p.ID, gated)
		if err != nil || answer.Effects == nil || *answer.Effects != want {
			t.Errorf("the answer has the effects %+v, %v", answer.Effects, err)
		}
		// A renewal that is blocked already is no effect of the next edit. Turning an idle gate on reports zero jobs.
		further := gated
		further.AllowedDNSNames = names[:1]
		if preview := previewEdit(t, s, "vera", p.ID, further); preview.Outcome != api.EditWaits || preview.Effects != (api.EditEffects{RenewalsBlocked: 1}) {
			t.Errorf("%+v", preview)
		}
		idle := s.CreateProfileAsOlga(t, false)
		idle.RequiresApproval = true
		if answer, err := olga.ReplaceProfile(ctx, idle.ID, idle.ProfileSpec); err != nil || answer.Effects == nil || *answer.Effects != (api.EditEffects{}) {
			t.Errorf("the answer has the effects %+v, %v", answer.Effects, err)
		}
		// The gate cancels as many jobs as the preview said.
		s.Drain(t)
		cancelled := 0
		s.Query(t, &cancelled, `SELECT count(*) FROM jobs WHERE profile_id = ? AND status = 'Cancelled'`, p.ID)
		if cancelled != want.JobsCancelled {
			t.Errorf("%d jobs were cancelled", cancelled)
		}
	}, servertest.NoWorkers())
}

// An edit after which certificates need the approval of a person blocks their renewals, and cancels the jobs that no person
// approved.
func TestPreview_CountsWhatNeedsApproval(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		s.SetUngatedNames(t, api.UngatedLists{AllowedDNSNames: []string{"**.example.com"}, AllowedEKUs: []string{"clientAuth"}})
		p := s.CreateProfileAsOlga(t, false)
		p.AllowedEKUs = []string{"clientAuth"}
		if _, err := olga.ReplaceProfile(ctx, p.ID, p.ProfileSpec); err != nil {
			t.Fatal(err)
		}
		s.CreateCertificateAsOlga(t, p.ID)
		j, err := olga.RenewCertificate(ctx, s.CreateCertificateAsOlga(t, p.ID).ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		addCommonNames := func(p *api.ProfileSpec) { p.AllowedCommonNames = []string{"*"} }
		for _, c := range []struct {
			name string
			edit func(*api.ProfileSpec)
			want api.EditEffects
		}{
			{"common names", addCommonNames, api.EditEffects{JobsCancelled: 1, RenewalsBlocked: 2}},
			{"a subject", func(p *api.ProfileSpec) { p.SubjectAttributes.Organization = []string{"x"} }, api.EditEffects{JobsCancelled: 1, RenewalsBlocked: 2}},
			{"a usage", func(p *api.ProfileSpec) { p.AllowedEKUs = []string{"codeSigning"} }, api.EditEffects{JobsCancelled: 1, RenewalsBlocked: 2}},
			{"common names, with a gate", func(p *api.ProfileSpec) { addCommonNames(p); p.RequiresApproval = true }, api.EditEffects{JobsCancelled: 1}},
		} {
			spec := p.ProfileSpec
			c.edit(&spec)
			if preview := previewEdit(t, s, "vera", p.ID, spec); preview.Effects != c.want {
				t.Errorf("%s: %+v", c.name, preview)
			}
		}
		// Without its gate, such a profile signs nothing.
		gated := p.ProfileSpec
		addCommonNames(&gated)
		gated.RequiresApproval = true
		if _, err := olga.ReplaceProfile(ctx, p.ID, gated); err != nil {
			t.Fatal(err)
		}
		open := gated
		open.RequiresApproval = false
		if preview := previewEdit(t, s, "vera", p.ID, open); preview.Effects != (api.EditEffects{RenewalsBlocked: 2}) {
			t.Errorf("gate off: %+v", preview)
		}
		s.Drain(t)
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCancelled {
			t.Errorf("the job is %s", ended.Status)
		}
	}, servertest.NoWorkers())
}

// A preview names the waiting edit that the edit would cancel. An edit that cancels nothing has no warning.
func TestPreview_WarnsOfACancelledEdit(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		olga, p := s.Client(t, "olga"), s.CreateProfileAsOlga(t, true)
		waiting := p.ProfileSpec
		waiting.MaxTTLSeconds = 3600
		var awaiting *client.AwaitingApprovalError
		if _, err := olga.ReplaceProfile(t.Context(), p.ID, waiting); !errors.As(err, &awaiting) {
			t.Fatal(err)
		}
		labelled, other, disabled := p.ProfileSpec, p.ProfileSpec, p.ProfileSpec
		labelled.Labels = map[string]string{"a": "b"}
		other.MaxTTLSeconds = 7200
		disabled.Enabled = false
		for _, c := range []struct {
			name, who string
			spec      api.ProfileSpec
			warns     bool
		}{
			{"the same edit again", "olga", waiting, false},
			{"the stored profile", "olga", p.ProfileSpec, true},
			{"the stored profile, by another person", "alice", p.ProfileSpec, false},
			{"another edit", "olga", other, true},
			{"labels", "olga", labelled, false},
			{"disable", "alice", disabled, true},
		} {
			preview := previewEdit(t, s, c.who, p.ID, c.spec)
			named := len(preview.Warnings) == 1 && strings.Contains(preview.Warnings[0], awaiting.Approval.ID)
			if c.warns != named || !c.warns && len(preview.Warnings) > 0 {
				t.Errorf("%s: %s, %v", c.name, preview.Outcome, preview.Warnings)
			}
		}
	}, servertest.NoWorkers())
}

// If a profile has more certificates than are checked, a warning says so.
func TestPreview_WarnsOfUncheckedCertificates(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, false)
		c := s.CreateCertificateAsOlga(t, p.ID)
		s.Exec(t, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
			INSERT INTO certificates (uid, id, spec, version, spki_sha256, created_at, updated_at)
			SELECT uid || '-' || i, id || '-' || i, spec, version, spki_sha256, created_at, updated_at FROM certificates, n WHERE id = ?`, c.ID)
		p.AllowedDNSNames = []string{"elsewhere.example.com"}
		preview := previewEdit(t, s, "vera", p.ID, p.ProfileSpec)
		warning := "the profile has 1001 certificates; the edit was checked against the oldest 1000 of them"
		if preview.Effects.RenewalsBlocked != 1000 || fmt.Sprint(preview.Warnings) != "["+warning+"]" {
			t.Errorf("%+v", preview)
		}
		p.Enabled = false
		if preview := previewEdit(t, s, "vera", p.ID, p.ProfileSpec); preview.Effects.RenewalsBlocked != 1001 || len(preview.Warnings) > 0 {
			t.Errorf("%+v", preview)
		}
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}
