package profile_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// An edit of a gated profile waits, except for disabling, describing and labelling it. Turning the gate on never waits.
// A new order in a set is no edit.
func TestReplace_WaitsOnAGatedProfile(t *testing.T) {
	cases := []struct {
		name  string
		gated bool
		edit  func(*api.ProfileSpec)
		want  api.EditOutcome
	}{
		{"turn the gate off", true, func(p *api.ProfileSpec) { p.RequiresApproval = false }, api.EditWaits},
		{"turn the gate off and disable", true, func(p *api.ProfileSpec) { p.RequiresApproval, p.Enabled = false, false }, api.EditWaits},
		{"allow more", true, func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**"} }, api.EditWaits},
		{"describe", true, func(p *api.ProfileSpec) { p.Description = "one\ntwo" }, api.EditApplies},
		{"label", true, func(p *api.ProfileSpec) { p.Labels = map[string]string{"team": "web"} }, api.EditApplies},
		{"allow more, described", true, func(p *api.ProfileSpec) { p.Description, p.MaxSANs = "x", 101 }, api.EditWaits},
		{"disable and label", true, func(p *api.ProfileSpec) { p.Enabled, p.Labels = false, map[string]string{"team": "web"} }, api.EditApplies},
		{"disable", true, func(p *api.ProfileSpec) { p.Enabled = false }, api.EditApplies},
		{"nothing", true, func(*api.ProfileSpec) {}, api.EditNone},
		{"another order", true, func(p *api.ProfileSpec) { slices.Reverse(p.AllowedKeyAlgorithms) }, api.EditNone},
		{"turn the gate on", false, func(p *api.ProfileSpec) { p.RequiresApproval = true }, api.EditApplies},
		{"allow more without a gate", false, func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**"} }, api.EditApplies},
		{"against the rules", true, func(p *api.ProfileSpec) { p.MaxTTLSeconds = 1 }, api.EditRefused},
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		for _, c := range cases {
			before := s.CreateProfileAsOlga(t, c.gated)
			spec := before.ProfileSpec
			spec.AllowedKeyAlgorithms = slices.Clone(spec.AllowedKeyAlgorithms)
			c.edit(&spec)
			preview, err := s.Client(t, "vera").PreviewProfile(ctx, api.CreateProfile{ID: before.ID, ProfileSpec: spec})
			if err != nil || preview.Outcome != c.want || (preview.Problem != nil) != (c.want == api.EditRefused) {
				t.Errorf("%s: the preview says %+v, %v", c.name, preview, err)
			}
			_, err = olga.ReplaceProfile(ctx, before.ID, spec)
			var waiting *client.AwaitingApprovalError
			switch {
			case c.want == api.EditRefused:
				servertest.RequireProblem(t, err, api.CodeInvalidRequest)
			case errors.As(err, &waiting) != (c.want == api.EditWaits):
				t.Fatalf("%s: %v", c.name, err)
			}
			after, err := olga.GetProfile(ctx, before.ID)
			if err != nil {
				t.Fatal(err)
			}
			want := before
			if c.want == api.EditApplies {
				want.ProfileSpec, want.Version, want.UpdatedAt = spec, before.Version+1, after.UpdatedAt
			}
			if waiting != nil {
				want.PendingApprovalID = &waiting.Approval.ID
			}
			if diff := cmp.Diff(want, after); diff != "" {
				t.Errorf("%s: stored: %s", c.name, diff)
			}
		}
	})
}

// A profile cannot be deleted while a live certificate refers to it. After archiving and deleting, both ids are free.
func TestDelete_RefusesAUsedProfile(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		p := s.CreateProfileAsOlga(t, true)
		c := s.CreateCertificateAsOlga(t, p.ID)
		refusal := servertest.RequireProblem(t, olga.DeleteProfile(ctx, p.ID), api.CodeInUse)
		if diff := cmp.Diff([]api.Ref{{Type: "certificate", ID: c.ID}}, refusal.UsedBy); diff != "" || refusal.UsedByCount != 1 {
			t.Errorf("used by: %s", diff)
		}
		if err := olga.DeleteCertificate(ctx, c.ID); err != nil {
			t.Fatal(err)
		}
		if err := olga.DeleteProfile(ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := olga.CreateProfile(ctx, api.CreateProfile{ID: p.ID, ProfileSpec: p.ProfileSpec}); err != nil {
			t.Fatal(err)
		}
		if _, err := olga.CreateCertificate(ctx, api.CreateCertificate{ID: c.ID, CertificateSpec: c.CertificateSpec}); err != nil {
			t.Fatal(err)
		}
	})
}

// An id and a name belong to one profile, and the refusal names that profile.
func TestCreate_RefusesATakenIDOrName(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		p, other := s.CreateProfileAsOlga(t, false), s.CreateProfileAsOlga(t, false)
		sameID := api.CreateProfile{ID: p.ID, ProfileSpec: api.DefaultProfileSpec()}
		sameID.Name = "new"
		_, err := olga.CreateProfile(ctx, sameID)
		if got := servertest.RequireProblem(t, err, api.CodeAlreadyExists).ID; got != p.ID {
			t.Errorf("the id is %q", got)
		}
		_, err = olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: p.ProfileSpec})
		if got := servertest.RequireProblem(t, err, api.CodeAlreadyExists).ID; got != p.ID {
			t.Errorf("the id is %q", got)
		}
		renamed := other.ProfileSpec
		renamed.Name = p.Name
		_, err = olga.ReplaceProfile(ctx, other.ID, renamed)
		if got := servertest.RequireProblem(t, err, api.CodeAlreadyExists).ID; got != p.ID {
			t.Errorf("the id is %q", got)
		}
	})
}
