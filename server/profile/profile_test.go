package profile_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Nobody changes a gated profile alone, but for disabling it, and nobody turns its gate off. Turning the gate on
// never waits.
func TestReplace_OfAGatedProfile(t *testing.T) {
	cases := []struct {
		name    string
		gated   bool
		edit    func(*api.ProfileSpec)
		refused bool
	}{
		{"turn the gate off", true, func(p *api.ProfileSpec) { p.RequiresApproval = false }, true},
		{"turn the gate off and disable", true, func(p *api.ProfileSpec) { p.RequiresApproval, p.Enabled = false, false }, true},
		{"allow more", true, func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**"} }, true},
		{"describe", true, func(p *api.ProfileSpec) { p.Description = "x" }, true},
		{"disable", true, func(p *api.ProfileSpec) { p.Enabled = false }, false},
		{"nothing", true, func(*api.ProfileSpec) {}, false},
		{"another order", true, func(p *api.ProfileSpec) { slices.Reverse(p.AllowedKeyAlgorithms) }, false},
		{"turn the gate on", false, func(p *api.ProfileSpec) { p.RequiresApproval = true }, false},
		{"allow more without a gate", false, func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**"} }, false},
	}
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		for _, c := range cases {
			before := s.Profile(t, c.gated)
			spec := before.ProfileSpec
			spec.AllowedKeyAlgorithms = slices.Clone(spec.AllowedKeyAlgorithms)
			c.edit(&spec)
			after, err := olga.ReplaceProfile(ctx, before.ID, spec)
			if c.refused {
				servertest.RefusedWith(t, err, api.CodeProfileGated)
				after, err = olga.GetProfile(ctx, before.ID)
				spec = before.ProfileSpec
			}
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if c.name == "another order" {
				spec = before.ProfileSpec // no change is no change
			}
			if diff := cmp.Diff(spec, after.ProfileSpec); diff != "" {
				t.Errorf("%s: stored: %s", c.name, diff)
			}
			changed := cmp.Diff(before.ProfileSpec, after.ProfileSpec) != ""
			if (after.Version == before.Version+1) != changed || (after.UpdatedAt != before.UpdatedAt) != changed {
				t.Errorf("%s: version %d after %d", c.name, after.Version, before.Version)
			}
		}
	})
}

// A profile stays while a live certificate refers to it; once it is archived, both ids are free again.
func TestDelete_InUse(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		p := s.Profile(t, true)
		c := s.Certificate(t, p.ID)
		refusal := servertest.RefusedWith(t, olga.DeleteProfile(ctx, p.ID), api.CodeInUse)
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

// An id and a name belong to one profile; the refusal says to which.
func TestCreate_AlreadyExists(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		p, other := s.Profile(t, false), s.Profile(t, false)
		sameID := api.CreateProfile{ID: p.ID, ProfileSpec: api.DefaultProfileSpec()}
		sameID.Name = "new"
		_, err := olga.CreateProfile(ctx, sameID)
		if got := servertest.RefusedWith(t, err, api.CodeAlreadyExists).ID; got != p.ID {
			t.Errorf("the id is %q", got)
		}
		_, err = olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: p.ProfileSpec})
		if got := servertest.RefusedWith(t, err, api.CodeAlreadyExists).ID; got != p.ID {
			t.Errorf("the id is %q", got)
		}
		renamed := other.ProfileSpec
		renamed.Name = p.Name
		_, err = olga.ReplaceProfile(ctx, other.ID, renamed)
		if got := servertest.RefusedWith(t, err, api.CodeAlreadyExists).ID; got != p.ID {
			t.Errorf("the id is %q", got)
		}
	})
}
