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

// detailsOf are the details of the one audit event of an action on an object.
func (c *scene) detailsOf(id, action string) map[string]any {
	c.t.Helper()
	for e, err := range c.as("audrey").ListAuditEvents(context.Background(), client.ListAuditEventsOptions{ResourceID: id, Action: action}) {
		c.must(nil, err)
		var details map[string]any
		c.must(nil, json.Unmarshal(e.Details, &details))
		return details
	}
	c.t.Fatalf("no %s of %s", action, id)
	return nil
}

// An approver is told what differs from what a human approved last, and by whom; of a leaf that nobody approved, never
// that nothing is new.
func TestContext(t *testing.T) {
	type change struct {
		by     string
		fields []string
		seen   string
	}
	cases := []struct {
		name           string
		gated          bool
		before         func(c *scene)
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
			before: func(c *scene) { c.issue("olga", "carol", api.Renew{}) },
		},
		{
			name: "with a key of its own", gated: true, kind: api.RequestRenewal, approved: true, key: true,
			before: func(c *scene) { c.issue("olga", "carol", api.Renew{}) }, request: api.Renew{CSRPEM: "$new"},
			changes: []change{{"alice", []string{"key"}, ""}},
		},
		{
			name: "names came and went", gated: true, kind: api.RequestReissue, approved: true,
			before: func(c *scene) {
				c.addName("olga", "old.example.com")
				c.issue("olga", "carol", api.Renew{})
				c.dropName("bob")
				c.addName("bob", "new.example.com")
			},
			added: []string{"new.example.com"}, removed: []string{"old.example.com"},
			changes: []change{{"bob", []string{"sans"}, ""}, {"bob", []string{"sans"}, ""}},
		},
		{
			name: "an approved edit of the rules", gated: true, kind: api.RequestReissue, approved: true,
			before: func(c *scene) {
				c.issue("olga", "carol", api.Renew{})
				c.editProfile("olga", "bob", clientAuth)
			},
			others: []string{"/extended_key_usages"}, changes: []change{{"olga", []string{"extended_key_usages"}, "bob"}},
		},
		{
			name: "a leaf that nobody approved", gated: false, kind: api.RequestReissue, added: []string{"$name"}, key: true,
			before: func(c *scene) {
				c.issue("olga", "", api.Renew{})
				c.gate("olga")
			},
			others:  []string{"/common_name", "/extended_key_usages", "/issuer_fingerprint_sha256", "/issuer_id", "/validity_seconds"},
			changes: []change{{"olga", []string{"common_name", "key", "sans"}, ""}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				at := newScene(t, s, "olga", c.gated)
				if c.before != nil {
					c.before(at)
				}
				if c.request.CSRPEM != "" {
					c.request.CSRPEM = servertest.CSR(t)
				}
				got := at.renew("alice", c.request).Context
				want := map[string]any{
					"kind": c.kind, "added": named(c.added, at.cert.CommonName), "removed": named(c.removed, ""), "key": c.key,
					"others": named(c.others, ""), "approved": c.approved, "changes": c.changes,
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
					"kind": got.Request, "added": named(got.NamesAdded, ""), "removed": named(got.NamesRemoved, ""), "key": got.KeyChanged,
					"others": named(others, ""), "approved": got.Current != nil && got.Current.Approved, "changes": changes,
				}
				if diff := cmp.Diff(want, have, cmp.AllowUnexported(change{})); diff != "" {
					t.Errorf("context: %s", diff)
				}
			})
		})
	}
}

// named replaces the certificate's name, and never gives nil.
func named(list []string, name string) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, strings.ReplaceAll(s, "$name", name))
	}
	return out
}

// Who decides hears of other certificates with the same name, a name that a wildcard covers, or the same key.
func TestContext_OtherCertificates(t *testing.T) {
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
		asked := make(p.ID, key, "a.b.example.com")
		wildcard := make(wild.ID, servertest.CSR(t), "*.b.example.com")
		same := make(p.ID, servertest.CSR(t), "a.b.example.com", "x.example.com")
		sameKey := make(wild.ID, key, "other.example.com")
		make(wild.ID, servertest.CSR(t), "b.example.com")
		gone := make(wild.ID, servertest.CSR(t), "a.b.example.com")
		if err := s.Client(t, "olga").DeleteCertificate(context.Background(), gone.ID); err != nil {
			t.Fatal(err)
		}
		at := &scene{t, s, p, asked}
		got := at.renew("alice", api.Renew{}).Context.OtherCertificates
		if diff := cmp.Diff(api.OtherCertificates{Count: 3, IDs: []string{same.ID, wildcard.ID, sameKey.ID}}, got); diff != "" {
			t.Errorf("other certificates: %s", diff)
		}
		at = &scene{t, s, wild, wildcard}
		if preview, err := at.as("vera").PreviewRenewal(context.Background(), wildcard.ID, api.Renew{}); err != nil || preview.Context.OtherCertificates.Count != 2 {
			t.Errorf("of the wildcard: %v, %+v", err, preview.Context)
		}
	})
}

// A rejection does not wash off: the next approver sees it, though a name was added, the request withdrawn in between,
// or the certificate made anew under another id. A certificate that a human approved begins afresh.
func TestRejections(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		at := newScene(t, s, "olga", true)
		rejected := at.renew("alice", api.Renew{})
		at.must(at.as("bob").RejectApproval(ctx, rejected.ID, api.Decision{Note: "never"}))
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
		at.addName("olga", "harmless.example.com")
		second := at.renew("alice", api.Renew{})
		check("with another name", second, rejected.ID)
		if p := second.Previous; p == nil || p.State != api.ApprovalRejected || *p.DecidedBy != "bob" || p.Note != "never" || *second.PreviousApprovalID != rejected.ID {
			t.Errorf("previous: %+v", p)
		}
		if details := at.detailsOf(second.ID, "approval_requested"); !cmp.Equal(details["rejected_before"], []any{rejected.ID}) {
			t.Errorf("the audit row has %v", details)
		}
		at.must(at.as("alice").WithdrawApproval(ctx, second.ID, api.Withdrawal{}))
		third := at.renew("alice", api.Renew{})
		check("after a withdrawal", third, rejected.ID)
		if p := third.Previous; p.State != api.ApprovalRejected {
			t.Errorf("previous, after a withdrawal: %+v", p)
		}
		spec := at.cert.CertificateSpec
		again, err := at.as("olga").CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
		at.must(nil, err)
		anew := &scene{t, s, at.p, again}
		fourth := anew.renew("alice", api.Renew{})
		check("under another id", fourth, rejected.ID)
		if fourth.Previous != nil {
			t.Errorf("previous of another certificate: %+v", fourth.Previous)
		}
		anew.must(anew.as("bob").ApproveApproval(ctx, fourth.ID, api.Decision{}))
		s.WaitUntilFinalAsVera(t, *fourth.JobID)
		check("after a human approved", anew.renew("alice", api.Renew{}))
	})
}

// What was approved meanwhile washes off no rejection of another name, and a wildcard hides none of a name that it
// covers.
func TestRejections_OfNamesThatNobodyApproved(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		secret := newScene(t, s, "olga", true)
		secret.editProfile("olga", "bob", func(p *api.ProfileSpec) { p.AllowWildcardNames = true })
		secret.addName("olga", "secret.prod.example.com")
		rejected := secret.renew("olga", api.Renew{})
		secret.must(secret.as("bob").RejectApproval(ctx, rejected.ID, api.Decision{}))
		for _, name := range []string{"secret.prod.example.com", "*.prod.example.com"} {
			c := &scene{t, s, secret.p, s.CreateCertificateAsOlga(t, secret.p.ID)}
			c.issue("olga", "bob", api.Renew{}) // a harmless one
			if a := c.renew("olga", api.Renew{}); len(a.Rejections) > 0 {
				t.Errorf("the harmless one has %+v", a.Rejections)
			}
			c.addName("olga", name)
			if a := c.renew("olga", api.Renew{}); len(a.Rejections) != 1 || a.Rejections[0].ApprovalID != rejected.ID {
				t.Errorf("%s: %+v", name, a.Rejections)
			}
		}
	})
}

// The scheduler says what changed, in no words of a user.
func TestRenewDue_Reason(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		at := newScene(t, s, "olga", true)
		at.issue("olga", "carol", api.Renew{})
		at.addName("bob", "routine.example.com")
		a := at.ask("system-scheduler")
		if !strings.HasPrefix(a.Reason, "due since ") || !strings.HasSuffix(a.Reason, "; changed since the approved certificate: sans") {
			t.Errorf("the reason is %q", a.Reason)
		}
	})
}

// The audit trail tells who brought a key.
func TestAudit_NamesTheKey(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		at := newScene(t, s, "olga", false)
		at.newKey("bob")
		details := at.detailsOf(at.cert.ID, "certificate_updated")
		before, after := details["before"].(map[string]any)["key"], details["after"].(map[string]any)["key"]
		if before == nil || after == nil || cmp.Equal(before, after) {
			t.Errorf("before %v, after %v", before, after)
		}
	})
}
