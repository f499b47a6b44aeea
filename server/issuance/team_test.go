package issuance_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A team of two, alice and bob, and alice's service: who asks, who wrote something since a human approved the
// certificate, and who can decide. Where nobody can, the author asks, or the asker stands for the author.
func TestTeamOfTwo(t *testing.T) {
	cases := []struct {
		asks   string // alice, alice's service, or the scheduler for alice
		wrote  []string
		decide []string
	}{
		{"alice", []string{"alice"}, []string{"bob"}},
		{"alice", []string{"bob"}, nil},
		{"alice", []string{"alice", "bob"}, nil},
		{"terraform", []string{"alice"}, []string{"bob"}},
		{"terraform", []string{"bob"}, nil},
		{"terraform", []string{"alice", "bob"}, nil},
		{"system-scheduler", []string{"alice"}, []string{"bob"}},
		{"system-scheduler", []string{"bob"}, nil},
		{"system-scheduler", []string{"alice", "bob"}, nil},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.asks, " asks, wrote ", c.wrote), func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				at := newScene(t, s, "alice", true)
				at.issue("alice", "bob", api.Renew{})
				for _, who := range c.wrote {
					at.addName(who, who+".example.com")
				}
				a := at.ask(c.asks)
				at.checkDeciders(a, c.decide)
				if len(c.decide) > 0 {
					return
				}
				at.must(at.as("alice").WithdrawApproval(context.Background(), a.ID, api.Withdrawal{}))
				if len(c.wrote) == 1 {
					at.checkDeciders(at.ask("bob"), []string{"alice"})
					return
				}
				p, err := at.as("alice").PreviewRenewal(context.Background(), at.cert.ID, api.Renew{StandsFor: []string{"bob"}, Digest: at.digest()})
				at.must(nil, err)
				if diff := cmp.Diff([]string{"alice"}, p.Excluded); diff != "" || p.Outcome != api.RenewalWaits {
					t.Errorf("the preview: %s, %s", p.Outcome, diff)
				}
				at.checkDeciders(at.renew("alice", api.Renew{StandsFor: []string{"bob"}, Digest: p.Digest}), []string{"bob"})
			})
		})
	}
}

// Creating profiles locks no team of two out: what a new profile says is in each subject.
func TestTeamOfTwo_NewProfile(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		spec := api.DefaultProfileSpec()
		spec.Name, spec.RequiresApproval, spec.AllowedDNSNames = "theirs", true, []string{"**.example.com"}
		p, err := s.Client(t, "alice").CreateProfile(context.Background(), api.CreateProfile{ProfileSpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		for asks, decides := range map[string]string{"alice": "bob", "bob": "alice"} {
			at := &scene{t, s, p, s.CreateCertificateAs(t, asks, p.ID)}
			at.checkDeciders(at.renew(asks, api.Renew{}), []string{decides})
		}
	})
}

// ask requests the certificate as somebody, or has the scheduler do it.
func (c *scene) ask(who string) *api.Approval {
	c.t.Helper()
	if who != "system-scheduler" {
		return c.renew(who, api.Renew{})
	}
	c.s.Clock.Advance(61 * 24 * time.Hour)
	renewDue(c.t, c.s)
	cert, err := c.as("vera").GetCertificate(context.Background(), c.cert.ID)
	c.must(nil, err)
	a, err := c.as("vera").GetApproval(context.Background(), *cert.ApprovalID)
	c.must(nil, err)
	return &a
}

// digest is that of what would be signed now.
func (c *scene) digest() string {
	c.t.Helper()
	p, err := c.as("vera").PreviewRenewal(context.Background(), c.cert.ID, api.Renew{})
	c.must(nil, err)
	return p.Digest
}

// checkDeciders tries the decision as alice and as bob. Those who cannot decide try first.
func (c *scene) checkDeciders(a *api.Approval, can []string) {
	c.t.Helper()
	for _, who := range []string{"alice", "bob"} {
		if slices.Contains(can, who) {
			continue
		}
		_, err := c.as(who).ApproveApproval(context.Background(), a.ID, api.Decision{})
		servertest.RequireProblem(c.t, err, api.CodeTwoPersonIntegrity)
	}
	for _, who := range can {
		c.must(c.as(who).ApproveApproval(context.Background(), a.ID, api.Decision{Digest: a.Digest}))
	}
}
