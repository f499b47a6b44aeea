package issuance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// obstacle keeps a certificate from being renewed.
type obstacle struct {
	gated       bool
	put, remove func(t *testing.T, s *servertest.Server, c api.Certificate)
	want        api.RenewalBlock
	detail      string
}

// editProfile changes the profile of a certificate as olga. If the edit needs an approval, bob approves it.
func editProfile(t *testing.T, s *servertest.Server, id string, change func(*api.ProfileSpec)) {
	t.Helper()
	p, err := s.Client(t, "olga").GetProfile(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	change(&p.ProfileSpec)
	if p.RequiresApproval && p.Enabled {
		approveEdit(t, s, id, p.ProfileSpec)
		return
	}
	if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), id, p.ProfileSpec); err != nil {
		t.Fatal(err)
	}
}

func setRoles(t *testing.T, s *servertest.Server, roles map[string][]api.Role) {
	t.Helper()
	s.Write(t, func(tx *store.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(roles)) {
			if err := principal.SetRoles(tx, id, roles[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

// profileEdit is an obstacle by an edit of the profile, which another edit removes.
func profileEdit(want api.RenewalBlock, detail string, put, remove func(*api.ProfileSpec)) obstacle {
	edit := func(change func(*api.ProfileSpec)) func(*testing.T, *servertest.Server, api.Certificate) {
		return func(t *testing.T, s *servertest.Server, c api.Certificate) { editProfile(t, s, c.ProfileID, change) }
	}
	return obstacle{put: edit(put), remove: edit(remove), want: want, detail: detail}
}

func obstacles() map[string]obstacle {
	approvers := map[string][]api.Role{"bob": {api.RoleOperator, api.RoleApprover}, "carol": {api.RoleApprover}}
	lists := func(names ...string) api.UngatedLists {
		return api.UngatedLists{AllowedDNSNames: names, AllowedEKUs: []string{"serverAuth"}}
	}
	return map[string]obstacle{
		"the accountable person is disabled": {
			put:    func(t *testing.T, s *servertest.Server, _ api.Certificate) { s.Disable(t, "alice") },
			remove: func(t *testing.T, s *servertest.Server, _ api.Certificate) { s.HandOver(t, "alice", "bob") },
			want:   api.BlockedByPerson, detail: "alice",
		},
		"the profile is disabled": profileEdit(api.BlockedByProfile, "disabled",
			func(p *api.ProfileSpec) { p.Enabled = false }, func(p *api.ProfileSpec) { p.Enabled = true }),
		"the rules changed": profileEdit(api.BlockedByRules, "/sans/0",
			func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**.example.org"} }, func(p *api.ProfileSpec) { p.AllowedDNSNames = []string{"**.example.com"} }),
		"the CA ends too soon": profileEdit(api.BlockedByIssuer, "longer than its issuer",
			func(p *api.ProfileSpec) { p.MaxTTLSeconds = 315360000 }, func(p *api.ProfileSpec) { p.MaxTTLSeconds = 7776000 }),
		"the ungated names became fewer": {
			put: func(t *testing.T, s *servertest.Server, _ api.Certificate) { s.SetUngatedNames(t, lists()) },
			remove: func(t *testing.T, s *servertest.Server, _ api.Certificate) {
				s.SetUngatedNames(t, lists("**.example.com"))
			},
			want: api.BlockedByApproval, detail: "/sans/0",
		},
		"nobody can decide": {
			gated: true,
			put: func(t *testing.T, s *servertest.Server, _ api.Certificate) {
				setRoles(t, s, map[string][]api.Role{"bob": {api.RoleOperator}, "carol": {api.RoleViewer}})
			},
			remove: func(t *testing.T, s *servertest.Server, _ api.Certificate) { setRoles(t, s, approvers) },
			want:   api.BlockedByNobody, detail: "alice",
		},
	}
}

// The certificate, the list and a gauge tell what keeps a certificate from being renewed, long before it is due.
// The log tells it once. All of them stop once it is mended.
func TestCheckRenewals_TellsWhatIsBlocked(t *testing.T) {
	t.Parallel()
	for name, o := range obstacles() {
		t.Run(name, func(t *testing.T) {
			log := &servertest.LogBuffer{}
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				c := issueCertificate(t, s, o.gated)
				checkRenewals(t, s)
				requireRenewal(t, s, c, "")
				o.put(t, s, c)
				checkRenewals(t, s)
				since := requireRenewal(t, s, c, o.want)
				s.Clock.Advance(time.Minute)
				checkRenewals(t, s)
				if again := requireRenewal(t, s, c, o.want); !again.Equal(since) {
					t.Errorf("blocked since %s, and then since %s", since, again)
				}
				if view := getCertificate(t, s, c.ID); !strings.Contains(view.Renewal.Detail, o.detail) {
					t.Errorf("the detail is %q", view.Renewal.Detail)
				}
				if n := strings.Count(log.String(), `"`+c.ID+`","profile_id":"`+c.ProfileID+`","blocked_by"`); n != 1 {
					t.Errorf("logged %d times: %s", n, log)
				}
				o.remove(t, s, c)
				checkRenewals(t, s)
				requireRenewal(t, s, c, "")
				if !strings.Contains(log.String(), "is possible again") {
					t.Errorf("the log does not tell that it is mended: %s", log)
				}
			}, servertest.Log(log))
		})
	}
}

func checkRenewals(t *testing.T, s *servertest.Server) {
	t.Helper()
	if err := s.App.CheckRenewals(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func getCertificate(t *testing.T, s *servertest.Server, id string) api.Certificate {
	t.Helper()
	c, err := s.Client(t, "vera").GetCertificate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// requireRenewal checks what the certificate, the list and the gauge tell; an empty reason is no obstacle. It returns since
// when the renewal is blocked.
func requireRenewal(t *testing.T, s *servertest.Server, c api.Certificate, reason api.RenewalBlock) time.Time {
	t.Helper()
	view := getCertificate(t, s, c.ID).Renewal
	blocked := []string{}
	for row, err := range s.Client(t, "vera").ListCertificates(t.Context(), client.ListCertificatesOptions{Blocked: true}) {
		if err != nil {
			t.Fatal(err)
		}
		blocked = append(blocked, row.ID)
	}
	gauge := s.Gauge(t, "certctl_renewals_blocked")
	if view.DueAt == nil {
		t.Error("the certificate is never due")
	}
	if reason == "" {
		if view.BlockedBy != nil || view.Since != nil || view.Detail != "" || len(blocked)+len(gauge) > 0 {
			t.Errorf("nothing is in the way, and it tells %+v, %v, %v", view, blocked, gauge)
		}
		return time.Time{}
	}
	if view.BlockedBy == nil || *view.BlockedBy != reason || view.Since == nil || view.Detail == "" || !slices.Equal(blocked, []string{c.ID}) {
		t.Fatalf("it tells %+v, %v, want %s", view, blocked, reason)
	}
	if diff := cmp.Diff(map[string]float64{fmt.Sprintf("profile_id=%s,reason=%s", c.ProfileID, reason): 1}, gauge); diff != "" {
		t.Error(diff)
	}
	return *view.Since
}

// A lifetime of the profile that became shorter than renew_before_seconds blocks nothing, and does not make the scheduler
// issue for ever.
func TestRenewDue_WaitsHalfTheLifetime(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := issueCertificate(t, s, false)
		before := int64(7776000 / 2)
		spec := getCertificate(t, s, c.ID).CertificateSpec
		spec.RenewBeforeSeconds = &before
		replaceCertificate(t, s, "olga", c.ID, spec)
		editProfile(t, s, c.ProfileID, func(p *api.ProfileSpec) { p.MaxTTLSeconds = 86400 })
		s.Clock.Advance(50 * 24 * time.Hour)
		checkRenewals(t, s)
		requireRenewal(t, s, c, "")
		renewDue(t, s)
		s.WaitUntilFinalAsVera(t, listJobs(t, s, c.ID)[0].ID)
		renewDue(t, s)
		s.Clock.Advance(11 * time.Hour)
		renewDue(t, s)
		checkJobCount(t, s, c.ID, 2, "before half of the day has passed")
		s.Clock.Advance(2 * time.Hour)
		renewDue(t, s)
		checkJobCount(t, s, c.ID, 3, "after half of the day")
	})
}

func checkJobCount(t *testing.T, s *servertest.Server, id string, want int, when string) {
	t.Helper()
	if jobs := listJobs(t, s, id); len(jobs) != want {
		t.Errorf("%d jobs %s", len(jobs), when)
	}
}

// A rejection of a short certificate is not its end: the scheduler asks again after a quarter of what is left.
func TestRenewDue_AsksAgainInTime(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		editProfile(t, s, p.ID, func(p *api.ProfileSpec) { p.MaxTTLSeconds = 86400 })
		c := s.CreateCertificateAsOlga(t, p.ID)
		j, err := s.Client(t, "alice").RenewCertificate(t.Context(), c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), *j.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, j.ID)
		s.Clock.Advance(16*time.Hour + time.Minute) // not quite 8 hours are left
		renewDue(t, s)
		if _, err := s.Client(t, "carol").RejectApproval(t.Context(), *listJobs(t, s, c.ID)[0].ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(110 * time.Minute)
		renewDue(t, s)
		checkJobCount(t, s, c.ID, 2, "before two hours")
		s.Clock.Advance(10 * time.Minute)
		renewDue(t, s)
		checkJobCount(t, s, c.ID, 3, "after two hours")
	})
}

// A request that nobody can decide says so wherever it is seen, and in a gauge, until somebody can.
func TestUndecidable_IsToldEverywhere(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, alice := t.Context(), s.Client(t, "alice")
		p := s.CreateProfileAsOlga(t, true)
		c := s.CreateCertificateAsOlga(t, p.ID)
		setRoles(t, s, map[string][]api.Role{"bob": {api.RoleOperator}, "carol": {api.RoleViewer}})
		preview, err := alice.PreviewRenewal(ctx, c.ID, api.Renew{})
		if err != nil || len(preview.Warnings) != 1 || !strings.Contains(preview.Warnings[0], "alice") {
			t.Errorf("%v, %v", preview.Warnings, err)
		}
		j, err := alice.RenewCertificate(ctx, c.ID, api.Renew{})
		if err != nil || len(j.Warnings) != 1 {
			t.Fatalf("%v, %v", j.Warnings, err)
		}
		tell := func(want bool) {
			t.Helper()
			a, err := alice.GetApproval(ctx, *j.ApprovalID)
			if err != nil || a.Undecidable != want {
				t.Errorf("the approval: %t, %v", a.Undecidable, err)
			}
			for a, err := range alice.ListApprovals(ctx, client.ListApprovalsOptions{}) {
				if err != nil || a.Undecidable != want {
					t.Errorf("the list: %t, %v", a.Undecidable, err)
				}
			}
			gauge := map[string]float64{}
			if want {
				gauge["profile_id="+p.ID] = 1
			}
			if diff := cmp.Diff(gauge, s.Gauge(t, "certctl_approvals_undecidable")); diff != "" {
				t.Error(diff)
			}
		}
		tell(true)
		e, err := alice.GetEligibility(ctx, *j.ApprovalID)
		if err != nil || len(e.May) != 0 || e.Me.May || !strings.Contains(e.Me.Why, "excluded") {
			t.Errorf("%+v, %v", e, err)
		}
		setRoles(t, s, map[string][]api.Role{"carol": {api.RoleApprover}})
		tell(false)
		e, err = s.Client(t, "carol").GetEligibility(ctx, *j.ApprovalID)
		if err != nil || !slices.Equal(e.May, []string{"carol"}) || !e.Me.May || e.Me.Why != "" {
			t.Errorf("%+v, %v", e, err)
		}
		why := map[string]string{}
		for _, i := range e.MayNot {
			why[i.Principal] = i.Why
		}
		if why["alice"] != "is accountable for the request" || !strings.Contains(why["olga"], "wrote") || why["bob"] != "has no role approver" {
			t.Errorf("%v", why)
		}
		if _, err := s.Client(t, "carol").RejectApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		if e, err = s.Client(t, "carol").GetEligibility(ctx, *j.ApprovalID); err != nil || len(e.May) > 0 || e.Me.Why != "the request is rejected" {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// A gated profile without two people says so.
func TestProfile_TellsThatNobodyCanDecide(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		gated, open := s.CreateProfileAsOlga(t, true), s.CreateProfileAsOlga(t, false)
		none := []api.Role{api.RoleViewer}
		for _, step := range []struct {
			roles map[string][]api.Role
			want  bool
		}{
			{nil, false},
			{map[string][]api.Role{"alice": none, "bob": none, "olga": none}, true}, // carol alone could act
			{map[string][]api.Role{"olga": {api.RoleOperator}}, false},
			{map[string][]api.Role{"carol": none}, true}, // nobody approves
		} {
			setRoles(t, s, step.roles)
			for id, want := range map[string]bool{gated.ID: step.want, open.ID: false} {
				p, err := s.Client(t, "vera").GetProfile(t.Context(), id)
				if err != nil || p.Undecidable != want {
					t.Errorf("after %v: %t, %v", step.roles, p.Undecidable, err)
				}
			}
		}
	})
}

// Any operator may withdraw a request, and so may somebody who lost the role. What they requested goes on otherwise.
func TestWithdraw_IsForOperatorsAndTheRequester(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		one, two := s.RequestOlgasCertificate(t, "alice"), s.RequestOlgasCertificate(t, "alice")
		if _, err := s.Client(t, "olga").WithdrawApproval(ctx, *one.ApprovalID, api.Withdrawal{}); err != nil {
			t.Error(err)
		}
		setRoles(t, s, map[string][]api.Role{"alice": {api.RoleViewer}})
		if a, err := s.Client(t, "vera").GetApproval(ctx, *two.ApprovalID); err != nil || a.State != api.ApprovalPending {
			t.Errorf("%s, %v", a.State, err)
		}
		for _, id := range []string{*two.ApprovalID, "ar-absent"} {
			_, err := s.Client(t, "vera").WithdrawApproval(ctx, id, api.Withdrawal{})
			servertest.RequireProblem(t, err, api.CodeForbidden)
		}
		if _, err := s.Client(t, "alice").WithdrawApproval(ctx, *two.ApprovalID, api.Withdrawal{}); err != nil {
			t.Error(err)
		}
	})
}

// The gauge of expiring certificates counts each horizon with those before it. An expired certificate says so.
func TestExpiry_IsTold(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := issueCertificate(t, s, false)
		for _, step := range []struct {
			day    time.Duration
			counts map[string]float64
			status api.CertificateStatus
		}{
			{59, nil, api.CertificateIssued},
			{62, map[string]float64{"30d": 1, "7d": 0, "1d": 0, "expired": 0}, api.CertificateIssued},
			{84, map[string]float64{"30d": 1, "7d": 1, "1d": 0, "expired": 0}, api.CertificateIssued},
			{91, map[string]float64{"30d": 1, "7d": 1, "1d": 1, "expired": 1}, api.CertificateExpired},
		} {
			s.Clock.Advance(c.CreatedAt.Add(step.day * 24 * time.Hour).Sub(s.Clock.Now()))
			want := map[string]float64{}
			for within, n := range step.counts {
				want["profile_id="+c.ProfileID+",within="+within] = n
			}
			if diff := cmp.Diff(want, s.Gauge(t, "certctl_certificates_expiring")); diff != "" {
				t.Errorf("day %d: %s", step.day, diff)
			}
			if got := getCertificate(t, s, c.ID).Status; got != step.status {
				t.Errorf("day %d: the status is %s", step.day, got)
			}
		}
	})
}

// Disabling a person tells which certificates nobody renews now: theirs, and those that were handed to them.
func TestDisable_ListsWhatNobodyRenews(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := issueCertificate(t, s, false)
		s.Clock.Advance(time.Second) // a handover counts for what was signed before
		s.HandOver(t, "alice", "bob")
		if left := s.Disable(t, "alice").BlockedCertificates; len(left) > 0 {
			t.Errorf("alice leaves %v, and bob renews it", left)
		}
		if left := s.Disable(t, "bob").BlockedCertificates; !slices.Equal(left, []string{c.ID}) {
			t.Errorf("bob leaves %v", left)
		}
	})
}

// A certificate that cannot be checked is told as an error, and stops the check of no other.
func TestCheckRenewals_GoesOnAfterABrokenCertificate(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		one, two := issueCertificate(t, s, false), issueCertificate(t, s, false)
		for _, broken := range []api.Certificate{one, two} { // the order of the uids is random
			s.Exec(t, "UPDATE certificates SET current_serial = 'none' WHERE id = ?", broken.ID)
			sound := map[string]api.Certificate{one.ID: two, two.ID: one}[broken.ID]
			editProfile(t, s, sound.ProfileID, func(p *api.ProfileSpec) { p.Enabled = false })
			if err := s.App.CheckRenewals(t.Context()); err == nil || !strings.Contains(err.Error(), broken.ID) {
				t.Errorf("the error is %v", err)
			}
			if view := getCertificate(t, s, sound.ID); view.Renewal.BlockedBy == nil || *view.Renewal.BlockedBy != api.BlockedByProfile {
				t.Errorf("the other certificate tells %+v", view.Renewal)
			}
			s.Exec(t, "UPDATE certificates SET current_serial = (SELECT serial_number FROM leaves l WHERE l.certificate_uid = uid) WHERE id = ?", broken.ID)
			editProfile(t, s, sound.ProfileID, func(p *api.ProfileSpec) { p.Enabled = true })
			checkRenewals(t, s)
		}
	})
}
