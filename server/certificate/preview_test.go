package certificate_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A preview says what the write would do, with and without issuance, and the write then does it. The preview stores
// nothing.
func TestPreview_HasTheOutcomeOfTheWrite(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga, vera := context.Background(), s.Client(t, "olga"), s.Client(t, "vera")
		gated, open := s.CreateProfileAsOlga(t, true), s.CreateProfileAsOlga(t, false)
		stored := s.CreateCertificateAsOlga(t, gated.ID)
		waiting := s.CreateCertificateAsOlga(t, gated.ID)
		if _, err := olga.RenewCertificate(ctx, waiting.ID, api.Renew{}); err != nil {
			t.Fatal(err)
		}
		with := func(c api.Certificate, change func(*api.CreateCertificate)) api.CreateCertificate {
			in := api.CreateCertificate{ID: c.ID, CertificateSpec: c.CertificateSpec}
			change(&in)
			return in
		}
		newBody := func(profileID string) api.CreateCertificate {
			return with(stored, func(c *api.CreateCertificate) { c.ID, c.ProfileID = "", profileID })
		}
		unchanged := func(*api.CreateCertificate) {}
		newNames := func(c *api.CreateCertificate) { c.SANs = append([]string{"another.example.com"}, c.SANs...) }
		issue := client.IssueOptions{}
		for name, c := range map[string]struct {
			body     api.CreateCertificate
			opts     []client.IssueOption
			outcome  api.CertificateOutcome
			issuance api.IssuanceOutcome
			code     api.Code
			changes  []string
		}{
			"create":                    {newBody(gated.ID), nil, api.CertificateCreates, api.IssuanceNone, "", allFields},
			"create and issue, gated":   {newBody(gated.ID), []client.IssueOption{issue}, api.CertificateCreates, api.IssuanceWaits, "", allFields},
			"create and issue, ungated": {newBody(open.ID), []client.IssueOption{issue}, api.CertificateCreates, api.IssuanceSigns, "", allFields},
			"forbidden name": {
				with(stored, func(c *api.CreateCertificate) { c.ID, c.SANs = "", []string{"example.org"} }), nil,
				api.CertificateRefused, api.IssuanceNone, api.CodeInvalidRequest, allFields,
			},
			"malformed id":                {with(stored, func(c *api.CreateCertificate) { c.ID = "MC-1" }), nil, api.CertificateRefused, api.IssuanceNone, api.CodeInvalidRequest, allFields},
			"same content":                {with(stored, unchanged), nil, api.CertificateNone, api.IssuanceNone, "", nil},
			"same content and issue":      {with(stored, unchanged), []client.IssueOption{issue}, api.CertificateNone, api.IssuanceWaits, "", nil},
			"new names":                   {with(stored, newNames), nil, api.CertificateUpdates, api.IssuanceNone, "", []string{"/sans"}},
			"another profile":             {with(stored, func(c *api.CreateCertificate) { c.ProfileID = open.ID }), nil, api.CertificateRefused, api.IssuanceNone, api.CodeInvalidRequest, []string{"/profile_id"}},
			"issue while a request waits": {with(waiting, unchanged), []client.IssueOption{issue}, api.CertificateRefused, api.IssuanceNone, api.CodeJobAlreadyOpen, nil},
			"new names cancel and wait":   {with(waiting, newNames), []client.IssueOption{issue}, api.CertificateUpdates, api.IssuanceWaits, "", []string{"/sans"}},
		} {
			before := countRows(t, s)
			preview, err := vera.PreviewCertificate(ctx, c.body, c.opts...)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if preview.Outcome != c.outcome || preview.Issuance != c.issuance || codeOf(preview.Problem) != c.code {
				t.Errorf("%s: %s, %s, %v", name, preview.Outcome, preview.Issuance, preview.Problem)
			}
			var changes []string
			for _, change := range preview.Changes {
				changes = append(changes, change.Pointer)
			}
			if diff := cmp.Diff(c.changes, changes); diff != "" {
				t.Errorf("%s: changes %s", name, diff)
			}
			if diff := cmp.Diff(c.body.SANs, preview.Proposed.SANs); diff != "" {
				t.Errorf("%s: proposed %s", name, diff)
			}
			if cancels := name == "new names cancel and wait"; cancels != (len(preview.Warnings) == 1) {
				t.Errorf("%s: warnings %v", name, preview.Warnings)
			}
			if diff := cmp.Diff(before, countRows(t, s)); diff != "" {
				t.Errorf("%s stored something: %s", name, diff)
			}
		}
		// The write does what its preview said.
		if _, err := olga.ReplaceCertificate(ctx, waiting.ID, with(waiting, newNames).CertificateSpec, issue); err != nil {
			t.Error(err)
		}
	})
}

var allFields = []string{"/auto_renew", "/common_name", "/csr_pem", "/labels", "/profile_id", "/renew_before_seconds", "/sans"}

func codeOf(p *api.Problem) api.Code {
	if p == nil {
		return ""
	}
	return p.Code()
}

// countRows counts the rows of every table that a write changes.
func countRows(t *testing.T, s *servertest.Server) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range []string{"certificates", "certificate_changes", "certificate_names", "jobs", "approvals", "audit_events", "replays"} {
		n := 0
		s.Query(t, &n, "SELECT count(*) FROM "+table)
		counts[table] = n
	}
	return counts
}
