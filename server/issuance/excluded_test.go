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

// fixture is a certificate under olga's profile, which several people write.
type fixture struct {
	t            *testing.T
	s            *servertest.Server
	olgasProfile api.Profile
	cert         api.Certificate
}

// newFixture makes a profile as olga and a certificate under it as creator.
func newFixture(t *testing.T, s *servertest.Server, creator string, gated bool) *fixture {
	p := s.CreateProfileAsOlga(t, gated)
	return &fixture{t, s, p, s.CreateCertificateAs(t, creator, p.ID)}
}

func (c *fixture) clientOf(who string) *client.Client { return c.s.Client(c.t, who) }

// noError fails the test if err is not nil. It takes both results of a call.
func (c *fixture) noError(_ any, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *fixture) addName(who, name string) {
	c.t.Helper()
	c.cert.SANs = append(c.cert.SANs, name)
	c.noError(c.clientOf(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

func (c *fixture) dropName(who string) {
	c.t.Helper()
	c.cert.SANs = c.cert.SANs[:len(c.cert.SANs)-1]
	c.noError(c.clientOf(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

func (c *fixture) replaceKey(who string) {
	c.t.Helper()
	c.cert.CSRPEM = servertest.CSR(c.t)
	c.noError(c.clientOf(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

func (c *fixture) setLabel(who string) {
	c.t.Helper()
	c.cert.Labels = map[string]string{"by": who}
	c.noError(c.clientOf(who).ReplaceCertificate(context.Background(), c.cert.ID, c.cert.CertificateSpec))
}

// editProfile edits the profile. If the edit waits, approver approves it.
func (c *fixture) editProfile(who, approver string, edit func(*api.ProfileSpec)) {
	c.t.Helper()
	edit(&c.olgasProfile.ProfileSpec)
	_, err := c.clientOf(who).ReplaceProfile(context.Background(), c.olgasProfile.ID, c.olgasProfile.ProfileSpec)
	var waits *client.AwaitingApprovalError
	if errors.As(err, &waits) {
		c.noError(c.clientOf(approver).ApproveApproval(context.Background(), waits.Approval.ID, api.Decision{}))
		return
	}
	c.noError(nil, err)
}

func (c *fixture) gateProfile(who string) {
	c.t.Helper()
	c.editProfile(who, "", func(p *api.ProfileSpec) { p.RequiresApproval = true })
}

func (c *fixture) ungateProfile(who, approver string) {
	c.t.Helper()
	c.editProfile(who, approver, func(p *api.ProfileSpec) { p.RequiresApproval = false })
}

func setClientAuth(p *api.ProfileSpec)      { p.AllowedEKUs = []string{"serverAuth", "clientAuth"} }
func setOrganization(p *api.ProfileSpec)    { p.SubjectAttributes.Organization = []string{"Example"} }
func removeOrganization(p *api.ProfileSpec) { p.SubjectAttributes.Organization = nil }
func setSignature(p *api.ProfileSpec)       { p.KeyUsages = []string{"digitalSignature"} }
func removeKeyUsages(p *api.ProfileSpec)    { p.KeyUsages = nil }
func setServerAuth(p *api.ProfileSpec)      { p.AllowedEKUs = []string{"serverAuth"} }

// renewAs requests the certificate and returns the approval; nil if no approval is needed.
func (c *fixture) renewAs(who string, request api.Renew) *api.Approval {
	c.t.Helper()
	j, err := c.clientOf(who).RenewCertificate(context.Background(), c.cert.ID, request)
	if err != nil {
		c.t.Fatal(err)
	}
	if j.ApprovalID == nil {
		c.s.WaitUntilFinalAsVera(c.t, j.ID)
		return nil
	}
	a, err := c.clientOf("vera").GetApproval(context.Background(), *j.ApprovalID)
	if err != nil {
		c.t.Fatal(err)
	}
	return &a
}

// renewAndApprove requests the certificate. If the request waits, approver approves it.
func (c *fixture) renewAndApprove(who, approver string, request api.Renew) {
	c.t.Helper()
	a := c.renewAs(who, request)
	if a == nil || a.State == api.ApprovalApproved {
		return
	}
	c.noError(c.clientOf(approver).ApproveApproval(context.Background(), a.ID, api.Decision{}))
	c.s.WaitUntilFinalAsVera(c.t, *a.JobID)
}

// The excluded people are the accountable person and the authors of every signed field that differs from the baseline. The
// rule is the same for every requester.
func TestExcluded_ListsAccountablePersonAndAuthors(t *testing.T) {
	cases := []struct {
		name      string
		gated     bool
		before    func(c *fixture)
		requester string
		excluded  []string
	}{
		{"a human requests the first certificate", true, nil, "alice", []string{"alice", "olga"}},
		{"a service requests the first certificate", true, nil, "terraform", []string{"alice", "olga"}},
		{"a human requests the same again", true, func(c *fixture) { c.renewAndApprove("olga", "carol", api.Renew{}) }, "alice", []string{"alice"}},
		{"a service requests the same again", true, func(c *fixture) { c.renewAndApprove("olga", "carol", api.Renew{}) }, "terraform", []string{"alice"}},
		{"a name was added, and a human requests", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
		}, "alice", []string{"alice", "bob"}},
		{"the key was replaced, and a human requests", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.replaceKey("bob")
		}, "alice", []string{"alice", "bob"}},
		{"several changed it", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
			c.addName("olga", "olga.example.com")
		}, "terraform", []string{"alice", "bob", "olga"}},
		{"a change was taken back by another", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
			c.dropName("olga")
		}, "alice", []string{"alice"}},
		{"a change was taken back, and another change made", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.addName("bob", "bob.example.com")
			c.dropName("bob")
			c.addName("olga", "olga.example.com")
		}, "alice", []string{"alice", "olga"}},
		{"a label was changed", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.setLabel("bob")
		}, "terraform", []string{"alice"}},
		{"the service changed it itself", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.addName("terraform", "t.example.com")
		}, "terraform", []string{"alice"}},
		{"an ungated leaf is no baseline", false, func(c *fixture) {
			c.renewAndApprove("bob", "", api.Renew{})
			c.gateProfile("bob")
		}, "terraform", []string{"alice", "olga"}},
		{"an ungated leaf with a key of its own is no baseline", false, func(c *fixture) {
			c.renewAndApprove("bob", "", api.Renew{CSRPEM: servertest.CSR(c.t)})
			c.gateProfile("bob")
		}, "terraform", []string{"alice", "bob", "olga"}},
		{"an ungated leaf after an approved one moves no baseline", false, func(c *fixture) {
			c.gateProfile("olga")
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.ungateProfile("olga", "carol")
			c.addName("bob", "bob.example.com")
			c.renewAndApprove("bob", "", api.Renew{})
			c.gateProfile("bob")
		}, "alice", []string{"alice", "bob"}},
		{"an approved key of a renewal's own", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.renewAndApprove("bob", "carol", api.Renew{CSRPEM: servertest.CSR(c.t)})
		}, "alice", []string{"alice"}},
		{"the rules were changed while ungated", false, func(c *fixture) {
			c.editProfile("bob", "", setClientAuth)
			c.gateProfile("olga")
		}, "alice", []string{"alice", "bob", "olga"}},
		{"the rules were changed and changed back", false, func(c *fixture) {
			c.editProfile("bob", "", setClientAuth)
			c.editProfile("bob", "", setServerAuth)
			c.gateProfile("olga")
		}, "alice", []string{"alice", "olga"}},
		{"a subject was given while ungated", false, func(c *fixture) {
			c.editProfile("bob", "", setOrganization)
			c.gateProfile("olga")
		}, "alice", []string{"alice", "bob", "olga"}},
		{"a subject and key usages were given and taken back", false, func(c *fixture) {
			c.editProfile("bob", "", setOrganization)
			c.editProfile("bob", "", setSignature)
			c.editProfile("olga", "", removeOrganization)
			c.editProfile("olga", "", removeKeyUsages)
			c.gateProfile("olga")
		}, "alice", []string{"alice", "olga"}},
		{"an approved subject was taken away while ungated", false, func(c *fixture) {
			c.editProfile("olga", "", setOrganization)
			c.editProfile("olga", "", setSignature)
			c.gateProfile("olga")
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.ungateProfile("olga", "carol")
			c.editProfile("bob", "", removeOrganization)
			c.editProfile("olga", "", removeKeyUsages)
			c.gateProfile("olga")
		}, "alice", []string{"alice", "bob", "olga"}},
		{"an approved subject was taken away and given again", false, func(c *fixture) {
			c.editProfile("olga", "", setOrganization)
			c.gateProfile("olga")
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.ungateProfile("olga", "carol")
			c.editProfile("bob", "", removeOrganization)
			c.editProfile("olga", "", setOrganization)
			c.gateProfile("olga")
		}, "alice", []string{"alice"}},
		{"the rules were changed by an approved edit", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.editProfile("bob", "carol", setClientAuth)
		}, "alice", []string{"alice"}},
		{"the rules were changed while ungated, after an approved leaf", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.ungateProfile("olga", "carol")
			c.editProfile("bob", "", setClientAuth)
			c.gateProfile("olga")
		}, "alice", []string{"alice", "bob"}},
		{"an approved edit of another rule approves no earlier change", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.ungateProfile("olga", "carol")
			c.editProfile("bob", "", setClientAuth)
			c.gateProfile("olga")
			c.editProfile("alice", "bob", func(p *api.ProfileSpec) { p.MaxTTLSeconds = 86400 })
		}, "alice", []string{"alice", "bob"}},
		{"another certificate was approved under the changed rules", true, func(c *fixture) {
			c.renewAndApprove("olga", "carol", api.Renew{})
			c.ungateProfile("olga", "carol")
			c.editProfile("bob", "", setClientAuth)
			c.gateProfile("olga")
			other := &fixture{c.t, c.s, c.olgasProfile, c.s.CreateCertificateAsOlga(c.t, c.olgasProfile.ID)}
			other.renewAndApprove("olga", "carol", api.Renew{})
		}, "alice", []string{"alice"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				f := newFixture(t, s, "olga", c.gated)
				if c.before != nil {
					c.before(f)
				}
				a := f.renewAs(c.requester, api.Renew{})
				if diff := cmp.Diff(c.excluded, a.Excluded); diff != "" {
					t.Errorf("excluded: %s", diff)
				}
				for _, who := range c.excluded {
					_, err := f.clientOf(who).ApproveApproval(context.Background(), a.ID, api.Decision{})
					servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
				}
				f.noError(f.clientOf("carol").ApproveApproval(context.Background(), a.ID, api.Decision{}))
			})
		})
	}
}

// A leaf that the bypass approved is no baseline.
func TestExcluded_IgnoresAnApprovalByTheBypass(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		f := newFixture(t, s, "bob", true)
		f.renewAndApprove("bob", "", api.Renew{})
		s.EndBypass()
		s.Restart(t)
		a := f.renewAs("terraform", api.Renew{})
		if diff := cmp.Diff([]string{"alice", "bob"}, a.Excluded); diff != "" {
			t.Errorf("excluded: %s", diff)
		}
	}, servertest.Bypass())
}

// After a scheduled request is withdrawn, the next request excludes the same author.
func TestExcluded_StaysAfterAWithdrawal(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		f := newFixture(t, s, "olga", true)
		f.renewAndApprove("olga", "carol", api.Renew{})
		f.addName("bob", "bob.example.com")
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		waiting, err := f.clientOf("vera").GetCertificate(ctx, f.cert.ID)
		f.noError(nil, err)
		f.noError(f.clientOf("alice").WithdrawApproval(ctx, *waiting.ApprovalID, api.Withdrawal{}))
		a := f.renewAs("alice", api.Renew{})
		if diff := cmp.Diff([]string{"alice", "bob"}, a.Excluded); diff != "" {
			t.Errorf("excluded: %s", diff)
		}
		_, err = f.clientOf("bob").ApproveApproval(ctx, a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
	})
}

func replaceCertificate(t *testing.T, s *servertest.Server, who, id string, spec api.CertificateSpec) {
	t.Helper()
	if _, err := s.Client(t, who).ReplaceCertificate(context.Background(), id, spec); err != nil {
		t.Fatal(err)
	}
}

// If a rule is back at the certificate's baseline, its author is not excluded. An approval of another value for another
// certificate does not matter.
func TestExcluded_OmitsTheAuthorOfARuleBackAtTheBaseline(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		f := newFixture(t, s, "olga", true)
		f.renewAndApprove("olga", "carol", api.Renew{})
		f.ungateProfile("olga", "carol")
		f.editProfile("olga", "", setClientAuth)
		f.gateProfile("olga")
		other := &fixture{t, s, f.olgasProfile, s.CreateCertificateAsOlga(t, f.olgasProfile.ID)}
		other.renewAndApprove("olga", "carol", api.Renew{})
		f.ungateProfile("olga", "carol")
		f.editProfile("bob", "", setServerAuth)
		f.gateProfile("olga")
		if a := other.renewAs("olga", api.Renew{}); !slices.Contains(a.Excluded, "bob") {
			t.Errorf("the other certificate: excluded %q", a.Excluded)
		}
		a := f.renewAs("olga", api.Renew{})
		if slices.Contains(a.Excluded, "bob") || a.Context.Request != api.RequestRenewal {
			t.Errorf("excluded %q, a %s", a.Excluded, a.Context.Request)
		}
		f.noError(f.clientOf("bob").ApproveApproval(t.Context(), a.ID, api.Decision{}))
	})
}
