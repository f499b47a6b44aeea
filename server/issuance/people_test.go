package issuance_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// also_excluded only adds people, whether they exist or not. The approval shows them.
func TestRenew_ExcludesAlsoExcludedPeople(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		f := newFixture(t, s, "alice", true)
		a := f.renewAs("terraform", api.Renew{AlsoExcluded: []string{"bob", "not.here.yet"}})
		if diff := cmp.Diff([]string{"alice", "bob", "not.here.yet"}, a.Excluded); diff != "" {
			t.Errorf("excluded: %s", diff)
		}
		if diff := cmp.Diff([]string{"bob", "not.here.yet"}, a.AlsoExcluded); diff != "" {
			t.Errorf("also excluded: %s", diff)
		}
		_, err := f.clientOf("bob").ApproveApproval(ctx, a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		f.noError(f.clientOf("carol").ApproveApproval(ctx, a.ID, api.Decision{}))

		made, err := f.clientOf("terraform").CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: api.CertificateSpec{
			SANs: []string{"issued.example.com"}, ProfileID: f.olgasProfile.ID, CSRPEM: servertest.CSR(t), Labels: map[string]string{},
		}}, client.IssueOptions{AlsoExcluded: []string{"bob", "carol"}})
		f.noError(nil, err)
		if a, err := f.clientOf("vera").GetApproval(ctx, *made.ApprovalID); err != nil || !cmp.Equal(a.Excluded, []string{"alice", "bob", "carol"}) {
			t.Errorf("with ?issue=true: %v, %v", err, a.Excluded)
		}
	})
}

// If also_excluded names a service, its owner may not decide either.
func TestRenew_ExcludesTheOwnerOfAnAlsoExcludedService(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		f := newFixture(t, s, "olga", true)
		request := api.Renew{AlsoExcluded: []string{"terraform"}}
		preview, err := f.clientOf("olga").PreviewRenewal(t.Context(), f.cert.ID, request)
		f.noError(preview, err)
		a := f.renewAs("olga", request)
		for _, got := range [][]string{preview.Excluded, a.Excluded} {
			if diff := cmp.Diff([]string{"alice", "olga", "terraform"}, got); diff != "" {
				t.Errorf("excluded: %s", diff)
			}
		}
		_, err = f.clientOf("alice").ApproveApproval(t.Context(), a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
	})
}

// A human who sends the digest may stand for an author, who may then decide. A service cannot.
func TestRenew_LetsAHumanStandForAnAuthor(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		f := newFixture(t, s, "bob", true)
		digest := f.previewDigest()
		for name, c := range map[string]struct {
			who     string
			request api.Renew
			code    api.Code
			pointer string
		}{
			"a service":             {"terraform", api.Renew{StandsFor: []string{"bob"}, Digest: digest}, api.CodeInvalidRequest, "/stands_for"},
			"without the digest":    {"alice", api.Renew{StandsFor: []string{"bob"}}, api.CodeInvalidRequest, "/digest"},
			"no handle":             {"alice", api.Renew{StandsFor: []string{"Bob"}, Digest: digest}, api.CodeInvalidRequest, "/stands_for/0"},
			"twice":                 {"alice", api.Renew{AlsoExcluded: []string{"bob", "bob"}}, api.CodeInvalidRequest, "/also_excluded/1"},
			"a system actor":        {"alice", api.Renew{AlsoExcluded: []string{"system-bypass"}}, api.CodeInvalidRequest, "/also_excluded/0"},
			"another digest":        {"alice", api.Renew{StandsFor: []string{"bob"}, Digest: "sha256:0"}, api.CodeDigestMismatch, ""},
			"another digest, alone": {"terraform", api.Renew{Digest: "sha256:0"}, api.CodeDigestMismatch, ""},
		} {
			_, err := f.clientOf(c.who).RenewCertificate(ctx, f.cert.ID, c.request)
			p := servertest.RequireProblem(t, err, c.code)
			if c.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer) {
				t.Errorf("%s: %+v", name, p.Errors)
			}
			if preview, err := f.clientOf(c.who).PreviewRenewal(ctx, f.cert.ID, c.request); err != nil || preview.Outcome != api.RenewalRefused || preview.Problem.Code() != c.code {
				t.Errorf("%s, in the preview: %v, %+v", name, err, preview)
			}
		}
		a := f.renewAs("alice", api.Renew{StandsFor: []string{"bob"}, Digest: digest})
		if !cmp.Equal(a.Excluded, []string{"alice"}) || !cmp.Equal(a.StandsFor, []string{"bob"}) {
			t.Errorf("excluded %v, stands for %v", a.Excluded, a.StandsFor)
		}
		f.noError(f.clientOf("bob").ApproveApproval(ctx, a.ID, api.Decision{}))
		if details := f.findDetails(a.ID, "approval_requested"); !cmp.Equal(details["stands_for"], []any{"bob"}) {
			t.Errorf("the audit row has %v", details)
		}
	})
}
