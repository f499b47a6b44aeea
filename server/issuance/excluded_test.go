package issuance_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// scene is one certificate and its profile, which several people write. The profile is olga's.
type scene struct {
	t    *testing.T
	s    *servertest.Server
	p    api.Profile
	cert api.Certificate
}

func newScene(t *testing.T, s *servertest.Server, creator string, gated bool) *scene {
	p := s.CreateProfileAsOlga(t, gated)
	return &scene{t, s, p, s.CreateCertificateAs(t, creator, p.ID)}
}

func (c *scene) as(who string) *client.Client { return c.s.Client(c.t, who) }

// must fails the test with the first error of its arguments.
func (c *scene) must(_ any, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *scene) addName(who, name string) {
	c.t.Helper()
	c.cert.SANs = append(c.cert.SANs, name)
	c.must(c.as(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

func (c *scene) dropName(who string) {
	c.t.Helper()
	c.cert.SANs = c.cert.SANs[:len(c.cert.SANs)-1]
	c.must(c.as(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

func (c *scene) newKey(who string) {
	c.t.Helper()
	c.cert.CSRPEM = servertest.CSR(c.t)
	c.must(c.as(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

func (c *scene) label(who string) {
	c.t.Helper()
	c.cert.Labels = map[string]string{"by": who}
	c.must(c.as(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

// editProfile edits the profile. If the edit waits, approver approves it.
func (c *scene) editProfile(who, approver string, edit func(*api.ProfileSpec)) {
	c.t.Helper()
	edit(&c.p.ProfileSpec)
	_, err := c.as(who).ReplaceProfile(context.Background(), c.p.ID, c.p.ProfileSpec)
	var waits *client.AwaitingApprovalError
	if errors.As(err, &waits) {
		c.must(c.as(approver).ApproveApproval(context.Background(), waits.Approval.ID, api.Decision{}))
		return
	}
	c.must(nil, err)
}

func (c *scene) gate(who string) {
	c.t.Helper()
	c.editProfile(who, "", func(p *api.ProfileSpec) { p.RequiresApproval = true })
}

func (c *scene) ungate(who, approver string) {
	c.t.Helper()
	c.editProfile(who, approver, func(p *api.ProfileSpec) { p.RequiresApproval = false })
}

func clientAuth(p *api.ProfileSpec) { p.AllowedEKUs = []string{"serverAuth", "clientAuth"} }
func serverAuth(p *api.ProfileSpec) { p.AllowedEKUs = []string{"serverAuth"} }

// renew asks for the certificate and answers with the approval; nil if none is needed.
func (c *scene) renew(who string, request api.Renew) *api.Approval {
	c.t.Helper()
	j, err := c.as(who).RenewCertificate(context.Background(), c.cert.ID, request)
	if err != nil {
		c.t.Fatal(err)
	}
	if j.ApprovalID == nil {
		c.s.WaitUntilFinalAsVera(c.t, j.ID)
		return nil
	}
	a, err := c.as("vera").GetApproval(context.Background(), *j.ApprovalID)
	if err != nil {
		c.t.Fatal(err)
	}
	return &a
}

// issue renews the certificate and has the approver approve it, if it is gated.
func (c *scene) issue(who, approver string, request api.Renew) {
	c.t.Helper()
	a := c.renew(who, request)
	if a == nil || a.State == api.ApprovalApproved {
		return
	}
	c.must(c.as(approver).ApproveApproval(context.Background(), a.ID, api.Decision{}))
	c.s.WaitUntilFinalAsVera(c.t, *a.JobID)
}

// The people who may not decide a request: the accountable person, and the authors of every signed field that differs
// from what a human approved last. The rule is the same for every requester.
func TestExcluded(t *testing.T) {
	cases := []struct {
		name     string
		gated    bool
		before   func(c *scene)
		asks     string
		excluded []string
	}{
		{"a human asks for the first one", true, nil, "alice", []string{"alice", "olga"}},
		{"a service asks for the first one", true, nil, "terraform", []string{"alice", "olga"}},
		{"a human asks for the same again", true, func(c *scene) { c.issue("olga", "carol", api.Renew{}) }, "alice", []string{"alice"}},
		{"a service asks for the same again", true, func(c *scene) { c.issue("olga", "carol", api.Renew{}) }, "terraform", []string{"alice"}},
		{"a name was added, and a human asks", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
		}, "alice", []string{"alice", "bob"}},
		{"the key was replaced, and a human asks", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.newKey("bob")
		}, "alice", []string{"alice", "bob"}},
		{"several changed it", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
			c.addName("olga", "olga.example.com")
		}, "terraform", []string{"alice", "bob", "olga"}},
		{"a change was taken back by another", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
			c.dropName("olga")
		}, "alice", []string{"alice"}},
		{"a change was taken back, and another one made", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
			c.dropName("bob")
			c.addName("olga", "olga.example.com")
		}, "alice", []string{"alice", "olga"}},
		{"a label was changed", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.label("bob")
		}, "terraform", []string{"alice"}},
		{"the service changed it itself", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.addName("terraform", "t.example.com")
		}, "terraform", []string{"alice"}},
		{"an ungated leaf is no baseline", false, func(c *scene) {
			c.issue("bob", "", api.Renew{})
			c.gate("bob")
		}, "terraform", []string{"alice", "olga"}},
		{"an ungated leaf with a key of its own is no baseline", false, func(c *scene) {
			c.issue("bob", "", api.Renew{CSRPEM: servertest.CSR(c.t)})
			c.gate("bob")
		}, "terraform", []string{"alice", "bob", "olga"}},
		{"an ungated leaf after an approved one moves no baseline", false, func(c *scene) {
			c.gate("olga")
			c.issue("olga", "carol", api.Renew{})
			c.ungate("olga", "carol")
			c.addName("bob", "bob.example.com")
			c.issue("bob", "", api.Renew{})
			c.gate("bob")
		}, "alice", []string{"alice", "bob"}},
		{"an approved key of a renewal's own", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.issue("bob", "carol", api.Renew{CSRPEM: servertest.CSR(c.t)})
		}, "alice", []string{"alice"}},
		{"the rules were changed while ungated", false, func(c *scene) {
			c.editProfile("bob", "", clientAuth)
			c.gate("olga")
		}, "alice", []string{"alice", "bob", "olga"}},
		{"the rules were changed and changed back", false, func(c *scene) {
			c.editProfile("bob", "", clientAuth)
			c.editProfile("bob", "", serverAuth)
			c.gate("olga")
		}, "alice", []string{"alice", "olga"}},
		{"the rules were changed by an approved edit", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.editProfile("bob", "carol", clientAuth)
		}, "alice", []string{"alice"}},
		{"the rules were changed while ungated, after an approved leaf", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.ungate("olga", "carol")
			c.editProfile("bob", "", clientAuth)
			c.gate("olga")
		}, "alice", []string{"alice", "bob"}},
		{"an approved edit of another rule approves no earlier change", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.ungate("olga", "carol")
			c.editProfile("bob", "", clientAuth)
			c.gate("olga")
			c.editProfile("alice", "bob", func(p *api.ProfileSpec) { p.MaxTTLSeconds = 86400 })
		}, "alice", []string{"alice", "bob"}},
		{"another certificate was approved under the changed rules", true, func(c *scene) {
			c.issue("olga", "carol", api.Renew{})
			c.ungate("olga", "carol")
			c.editProfile("bob", "", clientAuth)
			c.gate("olga")
			other := &scene{c.t, c.s, c.p, c.s.CreateCertificateAsOlga(c.t, c.p.ID)}
			other.issue("olga", "carol", api.Renew{})
		}, "alice", []string{"alice"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				at := newScene(t, s, "olga", c.gated)
				if c.before != nil {
					c.before(at)
				}
				a := at.renew(c.asks, api.Renew{})
				if diff := cmp.Diff(c.excluded, a.Excluded); diff != "" {
					t.Errorf("excluded: %s", diff)
				}
				for _, who := range c.excluded {
					_, err := at.as(who).ApproveApproval(context.Background(), a.ID, api.Decision{})
					servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
				}
				at.must(at.as("carol").ApproveApproval(context.Background(), a.ID, api.Decision{}))
			})
		})
	}
}

// The bypass approves in nobody's name, so what it let through is no baseline.
func TestExcluded_AfterTheBypass(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		at := newScene(t, s, "bob", true)
		at.issue("bob", "", api.Renew{})
		s.EndBypass()
		s.Restart(t)
		a := at.renew("terraform", api.Renew{})
		if diff := cmp.Diff([]string{"alice", "bob"}, a.Excluded); diff != "" {
			t.Errorf("excluded: %s", diff)
		}
	}, servertest.Bypass())
}

// A withdrawn request of the scheduler makes nobody eligible: the next request excludes the same author.
func TestExcluded_AfterAWithdrawal(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		at := newScene(t, s, "olga", true)
		at.issue("olga", "carol", api.Renew{})
		at.addName("bob", "bob.example.com")
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		waiting, err := at.as("vera").GetCertificate(ctx, at.cert.ID)
		at.must(nil, err)
		at.must(at.as("alice").WithdrawApproval(ctx, *waiting.ApprovalID, api.Withdrawal{}))
		a := at.renew("alice", api.Renew{})
		if diff := cmp.Diff([]string{"alice", "bob"}, a.Excluded); diff != "" {
			t.Errorf("excluded: %s", diff)
		}
		_, err = at.as("bob").ApproveApproval(ctx, a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
	})
}

func replace(t *testing.T, s *servertest.Server, who, id string, spec api.CertificateSpec) {
	t.Helper()
	if _, err := s.Client(t, who).ReplaceCertificate(context.Background(), id, spec); err != nil {
		t.Fatal(err)
	}
}

// A rule that is back at the certificate's baseline has no author there, though a human approved another value for
// another certificate since.
func TestExcluded_RuleBackAtTheBaseline(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		at := newScene(t, s, "olga", true)
		at.issue("olga", "carol", api.Renew{})
		at.ungate("olga", "carol")
		at.editProfile("olga", "", clientAuth)
		at.gate("olga")
		other := &scene{t, s, at.p, s.CreateCertificateAsOlga(t, at.p.ID)}
		other.issue("olga", "carol", api.Renew{})
		at.ungate("olga", "carol")
		at.editProfile("bob", "", serverAuth)
		at.gate("olga")
		if a := other.renew("olga", api.Renew{}); !slices.Contains(a.Excluded, "bob") {
			t.Errorf("the other one: excluded %q", a.Excluded)
		}
		a := at.renew("olga", api.Renew{})
		if slices.Contains(a.Excluded, "bob") || a.Context.Request != api.RequestRenewal {
			t.Errorf("excluded %q, a %s", a.Excluded, a.Context.Request)
		}
		at.must(at.as("bob").ApproveApproval(t.Context(), a.ID, api.Decision{}))
	})
}
