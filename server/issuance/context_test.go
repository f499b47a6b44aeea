package issuance_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// findDetails returns the details of the audit event of an action on an object.
func (c *fixture) findDetails(id, action string) map[string]any {
	c.t.Helper()
	for e, err := range c.clientOf("audrey").ListAuditEvents(context.Background(), client.ListAuditEventsOptions{ResourceID: id, Action: action}) {
		c.noError(nil, err)
		var details map[string]any
		c.noError(nil, json.Unmarshal(e.Details, &details))
		return details
	}
	c.t.Fatalf("no %s of %s", action, id)
	return nil
}

// An approver sees what differs from the last certificate that a human approved, and who changed it. For a leaf that nobody
// approved, everything is new.
func TestContext_ShowsWhatDiffersFromTheBaseline(t *testing.T) {
	type change struct {
		by     string
		fields []string
		seen   string
	}
	cases := []struct {
		name           string
		gated          bool
		before         func(c *fixture)
		request        api.Renew
		kind           api.RequestKind
		added, removed []string
		key            bool
		others         []string
		approved       bool
		changes        []change
	}{
		{
			name: "the first certificate", gated: true, kind: api.RequestFirst, added: []string{"$name"}, key: true,
			others:  []string{"/common_name", "/extended_key_usages", "/issuer_fingerprint_sha256", "/issuer_id", "/validity_seconds"},
			changes: []change{{"olga", []string{"common_name", "key", "sans"}, ""}},
		},
		{
			name: "the same again", gated: true, kind: api.RequestRenewal, approved: true,
			before: func(c *fixture) { c.renewAndApprove("olga", "carol", api.Renew{}) },
		},
		{
			name: "with a key of its own", gated: true, kind: api.RequestRenewal, approved: true, key: true,
			before: func(c *fixture) { c.renewAndApprove("olga", "carol", api.Renew{}) }, request: api.Renew{CSRPEM: "$new"},
			changes: []change{{"alice", []string{"key"}, ""}},
		},
		{
			name: "names came and went", gated: true, kind: api.RequestReissue, approved: true,
			before: func(c *fixture) {
				c.addName("olga", "old.example.com")
				c.renewAndApprove("olga", "carol", api.Renew{})
				c.dropName("bob")
				c.addName("bob", "new.example.com")
			},
			added: []string{"new.example.com"}, removed: []string{"old.example.com"},
			changes: []change{{"bob", []string{"sans"}, ""}, {"bob", []string{"sans"}, ""}},
		},
		{
			name: "an approved edit of the rules", gated: true, kind: api.RequestReissue, approved: true,
			before: func(c *fixture) {
				c.renewAndApprove("olga", "carol", api.Renew{})
				c.editProfile("olga", "bob", setClientAuth)
			},
			others: []string{"/extended_key_usages"}, changes: []change{{"olga", []string{"extended_key_usages"}, "bob"}},
		},
		{
			name: "a leaf that nobody approved", gated: false, kind: api.RequestReissue, added: []string{"$name"}, key: true,
			before: func(c *fixture) {
				c.renewAndApprove("olga", "", api.Renew{})
				c.gateProfile("olga")
			},
			others:  []string{"/common_name", "/extended_key_usages", "/issuer_fingerprint_sha256", "/issuer_id", "/validity_seconds"},
			changes: []change{{"olga", []string{"common_name", "key", "sans"}, ""}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				f := newFixture(t, s, "olga", c.gated)
				if c.before != nil {
					c.before(f)
				}
				if c.request.CSRPEM != "" {
					c.request.CSRPEM = servertest.CSR(t)
				}
				got := f.renewAs("alice", c.request).Context
				want := map[string]any{
					"kind": c.kind, "added": replaceName(c.added, f.cert.CommonName), "removed": replaceName(c.removed, ""), "key": c.key,
					"others": replaceName(c.others, ""), "approved": c.approved, "changes": c.changes,
				}
				var others []string
				for _, o := range got.OtherChanges {
					others = append(others, o.Pointer)
				}
				var changes []change
				for _, by := range got.ChangedBy {
					seen := ""
					if by.SeenBy != nil {
						seen = *by.SeenBy
					}
					changes = append(changes, change{by.By, by.Fields, seen})
				}
				have := map[string]any{
					"kind": got.Request, "added": replaceName(got.NamesAdded, ""), "removed": replaceName(got.NamesRemoved, ""), "key": got.KeyChanged,
					"others": replaceName(others, ""), "approved": got.Current != nil && got.Current.Approved, "changes": changes,
				}
				if diff := cmp.Diff(want, have, cmp.AllowUnexported(change{})); diff != "" {
					t.Errorf("context: %s", diff)
				}
			})
		})
	}
}

// replaceName replaces $name in a list. It never returns nil.
func replaceName(list []string, name string) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, strings.ReplaceAll(s, "$name", name))
	}
	return out
}

// An approver sees other certificates with the same name or key, or with a name that a wildcard covers.
func TestContext_ListsOtherCertificates(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		wild := s.CreateProfileAsOlga(t, false)
		wild.AllowWildcardNames = true
		if _, err := s.Client(t, "olga").ReplaceProfile(context.Background(), wild.ID, wild.ProfileSpec); err != nil {
			t.Fatal(err)
		}
		make := func(profile, csr string, sans ...string) api.Certificate {
			spec := api.DefaultCertificateSpec()
			spec.ProfileID, spec.CSRPEM, spec.SANs = profile, csr, sans
			c, err := s.Client(t, "olga").CreateCertificate(context.Background(), api.CreateCertificate{CertificateSpec: spec})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		key := servertest.CSR(t)
		requested := make(p.ID, key, "a.b.example.com")
		wildcard := make(wild.ID, servertest.CSR(t), "*.b.example.com")
		same := make(p.ID, servertest.CSR(t), "a.b.example.com", "x.example.com")
		sameKey := make(wild.ID, key, "other.example.com")
		make(wild.ID, servertest.CSR(t), "b.example.com")
		gone := make(wild.ID, servertest.CSR(t), "a.b.example.com")
		if err := s.Client(t, "olga").DeleteCertificate(context.Background(), gone.ID); err != nil {
			t.Fatal(err)
		}
		f := &fixture{t, s, p, requested}
		got := f.renewAs("alice", api.Renew{}).Context.OtherCertificates
		if diff := cmp.Diff(api.OtherCertificates{Count: 3, IDs: []string{same.ID, wildcard.ID, sameKey.ID}}, got); diff != "" {
			t.Errorf("other certificates: %s", diff)
		}
		f = &fixture{t, s, wild, wildcard}
		if preview, err := f.clientOf("vera").PreviewRenewal(context.Background(), wildcard.ID, api.Renew{}); err != nil || preview.Context.OtherCertificates.Count != 2 {
			t.Errorf("of the wildcard: %v, %+v", err, preview.Context)
		}
	})
}

// A rejection stays visible if a name is added, the request withdrawn, or the certificate made again under another id. Once a
// human approves a certificate, it shows no earlier rejection.
func TestRejections_StayUntilAHumanApproves(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		f := newFixture(t, s, "olga", true)
		rejected := f.renewAs("alice", api.Renew{})
		f.noError(f.clientOf("bob").RejectApproval(ctx, rejected.ID, api.Decision{Note: "never"}))
		check := func(name string, a *api.Approval, ids ...string) {
			t.Helper()
			var got []string
			for _, r := range a.Rejections {
				got = append(got, r.ApprovalID)
			}
			if diff := cmp.Diff(ids, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		f.addName("olga", "harmless.example.com")
		second := f.renewAs("alice", api.Renew{})
		check("with another name", second, rejected.ID)
		if p := second.Previous; p == nil || p.State != api.ApprovalRejected || *p.DecidedBy != "bob" || p.Note != "never" || *second.PreviousApprovalID != rejected.ID {
			t.Errorf("previous: %+v", p)
		}
		if details := f.findDetails(second.ID, "approval_requested"); !cmp.Equal(details["rejected_before"], []any{rejected.ID}) {
			t.Errorf("the audit row has %v", details)
		}
		f.noError(f.clientOf("alice").WithdrawApproval(ctx, second.ID, api.Withdrawal{}))
		third := f.renewAs("alice", api.Renew{})
		check("after a withdrawal", third, rejected.ID)
		if p := third.Previous; p.State != api.ApprovalRejected {
			t.Errorf("previous, after a withdrawal: %+v", p)
		}
		spec := f.cert.CertificateSpec
		again, err := f.clientOf("olga").CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
		f.noError(nil, err)
		anew := &fixture{t, s, f.olgasProfile, again}
		fourth := anew.renewAs("alice", api.Renew{})
		check("under another id", fourth, rejected.ID)
		if fourth.Previous != nil {
			t.Errorf("previous of another certificate: %+v", fourth.Previous)
		}
		anew.noError(anew.clientOf("bob").ApproveApproval(ctx, fourth.ID, api.Decision{}))
		s.WaitUntilFinalAsVera(t, *fourth.JobID)
		check("after a human approved", anew.renewAs("alice", api.Renew{}))
	})
}

// An approval of other names removes no rejection of a name. A wildcard hides no rejection of a name that it covers.
func TestRejections_StayForNamesThatNobodyApproved(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		secret := newFixture(t, s, "olga", true)
		secret.editProfile("olga", "bob", func(p *api.ProfileSpec) { p.AllowWildcardNames = true })
		secret.addName("olga", "secret.prod.example.com")
		rejected := secret.renewAs("olga", api.Renew{})
		secret.noError(secret.clientOf("bob").RejectApproval(ctx, rejected.ID, api.Decision{}))
		for _, name := range []string{"secret.prod.example.com", "*.prod.example.com"} {
			c := &fixture{t, s, secret.olgasProfile, s.CreateCertificateAsOlga(t, secret.olgasProfile.ID)}
			c.renewAndApprove("olga", "bob", api.Renew{}) // without the rejected name
			if a := c.renewAs("olga", api.Renew{}); len(a.Rejections) > 0 {
				t.Errorf("without the rejected name: %+v", a.Rejections)
			}
			c.addName("olga", name)
			if a := c.renewAs("olga", api.Renew{}); len(a.Rejections) != 1 || a.Rejections[0].ApprovalID != rejected.ID {
				t.Errorf("%s: %+v", name, a.Rejections)
			}
		}
	})
}

// The scheduler's reason names the changed fields, without any text of a user.
func TestRenewDue_NamesTheChangedFields(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		f := newFixture(t, s, "olga", true)
		f.renewAndApprove("olga", "carol", api.Renew{})
		f.addName("bob", "routine.example.com")
		a := f.renewAsOrSchedule("system-scheduler")
		if !strings.HasPrefix(a.Reason, "due since ") || !strings.HasSuffix(a.Reason, "; changed since the approved certificate: sans") {
			t.Errorf("the reason is %q", a.Reason)
		}
	})
}

// The audit trail has the key before and after a change.
func TestAudit_HasTheKeyBeforeAndAfter(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		f := newFixture(t, s, "olga", false)
		f.replaceKey("bob")
		details := f.findDetails(f.cert.ID, "certificate_updated")
		before, after := details["before"].(map[string]any)["key"], details["after"].(map[string]any)["key"]
		if before == nil || after == nil || cmp.Equal(before, after) {
			t.Errorf("before %v, after %v", before, after)
		}
	})
}
