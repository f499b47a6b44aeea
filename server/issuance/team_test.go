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

// The team is alice, bob and alice's service. The cases vary the requester and the authors since a human approved last. If
// nobody can decide, the author requests, or the requester stands for the author.
func TestTeamOfTwo_CanDecideOrStandForTheAuthor(t *testing.T) {
	cases := []struct {
		requester string // alice, alice's service, or the scheduler for alice
		authors   []string
		deciders  []string
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
		t.Run(fmt.Sprint(c.requester, " requests, authors ", c.authors), func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				f := newFixture(t, s, "alice", true)
				f.renewAndApprove("alice", "bob", api.Renew{})
				for _, who := range c.authors {
					f.addName(who, who+".example.com")
				}
				a := f.renewAsOrSchedule(c.requester)
				f.checkDeciders(a, c.deciders)
				if len(c.deciders) > 0 {
					return
				}
				f.noError(f.clientOf("alice").WithdrawApproval(context.Background(), a.ID, api.Withdrawal{}))
				if len(c.authors) == 1 {
					f.checkDeciders(f.renewAsOrSchedule("bob"), []string{"alice"})
					return
				}
				p, err := f.clientOf("alice").PreviewRenewal(context.Background(), f.cert.ID, api.Renew{StandsFor: []string{"bob"}, Digest: f.previewDigest()})
				f.noError(nil, err)
				if diff := cmp.Diff([]string{"alice"}, p.Excluded); diff != "" || p.Outcome != api.RenewalWaits {
					t.Errorf("the preview: %s, %s", p.Outcome, diff)
				}
				f.checkDeciders(f.renewAs("alice", api.Renew{StandsFor: []string{"bob"}, Digest: p.Digest}), []string{"bob"})
			})
		})
	}
}

// The creator of a profile is no author of its rules. So a team of two can use a new profile.
func TestTeamOfTwo_CanUseANewProfile(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		spec := api.DefaultProfileSpec()
		spec.Name, spec.RequiresApproval, spec.AllowedDNSNames = "theirs", true, []string{"**.example.com"}
		p, err := s.Client(t, "alice").CreateProfile(context.Background(), api.CreateProfile{ProfileSpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		for requester, decider := range map[string]string{"alice": "bob", "bob": "alice"} {
			f := &fixture{t, s, p, s.CreateCertificateAs(t, requester, p.ID)}
			f.checkDeciders(f.renewAs(requester, api.Renew{}), []string{decider})
		}
	})
}

// renewAsOrSchedule requests the certificate as a principal, or lets the scheduler request it.
func (c *fixture) renewAsOrSchedule(who string) *api.Approval {
	c.t.Helper()
	if who != "system-scheduler" {
		return c.renewAs(who, api.Renew{})
	}
	c.s.Clock.Advance(61 * 24 * time.Hour)
	renewDue(c.t, c.s)
	cert, err := c.clientOf("vera").GetCertificate(context.Background(), c.cert.ID)
	c.noError(nil, err)
	a, err := c.clientOf("vera").GetApproval(context.Background(), *cert.ApprovalID)
	c.noError(nil, err)
	return &a
}

// previewDigest returns the digest of what would be signed now.
func (c *fixture) previewDigest() string {
	c.t.Helper()
	p, err := c.clientOf("vera").PreviewRenewal(context.Background(), c.cert.ID, api.Renew{})
	c.noError(nil, err)
	return p.Digest
}

// checkDeciders tries the decision as alice and as bob. A person who cannot decide tries first.
func (c *fixture) checkDeciders(a *api.Approval, deciders []string) {
	c.t.Helper()
	for _, who := range []string{"alice", "bob"} {
		if slices.Contains(deciders, who) {
			continue
		}
		_, err := c.clientOf(who).ApproveApproval(context.Background(), a.ID, api.Decision{})
		servertest.RequireProblem(c.t, err, api.CodeTwoPersonIntegrity)
	}
	for _, who := range deciders {
		c.noError(c.clientOf(who).ApproveApproval(context.Background(), a.ID, api.Decision{Digest: a.Digest}))
	}
}
