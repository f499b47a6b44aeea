package issuance_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Who may not decide what a service, or a human, asks for. The profile is olga's and was never signed under, unless
// the case says so; the certificate is made by the creator, changed by the changers in turn, and then asked for.
func TestExcluded(t *testing.T) {
	cases := []struct {
		name     string
		issued   bool // before the changes
		changes  []string
		labels   []string // change what is not signed
		profile  []string // change what the profile has signed
		asks     string
		excluded []string
	}{
		{"a human asks: himself alone", false, []string{"bob"}, nil, nil, "alice", []string{"alice"}},
		{"a service asks for the first one: its owner, and who wrote it and its profile", false, nil, nil, nil, "terraform", []string{"alice", "olga"}},
		{"a service asks again for the same: its owner", true, nil, nil, nil, "terraform", []string{"alice"}},
		{"after a change of names", true, []string{"bob"}, nil, nil, "terraform", []string{"alice", "bob"}},
		{"after changes by several", true, []string{"bob", "olga"}, nil, nil, "terraform", []string{"alice", "bob", "olga"}},
		{"after a change by the service itself", true, []string{"terraform"}, nil, nil, "terraform", []string{"alice"}},
		{"after a change that is not signed", true, nil, []string{"bob"}, nil, "terraform", []string{"alice"}},
		{"after a change of the profile that is signed", true, nil, nil, []string{"bob"}, "terraform", []string{"alice", "bob"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.Each(t, func(t *testing.T, s *servertest.Server) {
				ctx := context.Background()
				p := s.Profile(t, false) // gated below: a gated one could not be changed
				cert := s.Certificate(t, p.ID)
				if c.issued {
					j, err := s.Client(t, "olga").RenewCertificate(ctx, cert.ID, api.Renew{})
					if err != nil {
						t.Fatal(err)
					}
					s.Ended(t, j.ID)
				}
				spec := cert.CertificateSpec
				for _, who := range c.changes {
					spec.SANs = append(spec.SANs, who+".example.com")
					replace(t, s, who, cert.ID, spec)
				}
				for _, who := range c.labels {
					spec.Labels = map[string]string{"by": who}
					replace(t, s, who, cert.ID, spec)
				}
				for _, who := range c.profile {
					p.AllowedEKUs = append(p.AllowedEKUs, "clientAuth")
					replaceProfile(t, s, who, p)
				}
				p.RequiresApproval = true
				replaceProfile(t, s, "terraform", p)
				j, err := s.Client(t, c.asks).RenewCertificate(ctx, cert.ID, api.Renew{})
				if err != nil {
					t.Fatal(err)
				}
				a, err := s.Client(t, "vera").GetApproval(ctx, *j.ApprovalID)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.excluded, a.Excluded); diff != "" {
					t.Errorf("excluded: %s", diff)
				}
				for _, who := range c.excluded {
					_, err := s.Client(t, who).ApproveApproval(ctx, a.ID, api.Decision{})
					servertest.RefusedWith(t, err, api.CodeTwoPersonIntegrity)
				}
				if _, err := s.Client(t, "carol").ApproveApproval(ctx, a.ID, api.Decision{}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func replace(t *testing.T, s *servertest.Server, who, id string, spec api.CertificateSpec) {
	t.Helper()
	if _, err := s.Client(t, who).ReplaceCertificate(context.Background(), id, spec); err != nil {
		t.Fatal(err)
	}
}

func replaceProfile(t *testing.T, s *servertest.Server, who string, p api.Profile) {
	t.Helper()
	if _, err := s.Client(t, who).ReplaceProfile(context.Background(), p.ID, p.ProfileSpec); err != nil {
		t.Fatal(err)
	}
}
