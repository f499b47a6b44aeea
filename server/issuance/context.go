package issuance

import (
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// describeRequest returns what an approver sees of a request: what differs from the baseline, and who wrote it.
func describeRequest(tx *store.Tx, who identity.Actor, p gate.Proposal, a gate.Authorship) (api.IssuanceContext, error) {
	baseline, err := baselineSubject(a)
	if err != nil {
		return api.IssuanceContext{}, err
	}
	c, err := compareSubjects(baseline, p.Subject.IssuanceSubject)
	if err != nil {
		return c, err
	}
	c.ChangedBy = groupChanges(a.Differing)
	if c.KeyChanged && p.HasOwnKey() {
		c.ChangedBy = append(c.ChangedBy, api.AuthoredChange{By: who.ID, Accountable: who.Accountable(), At: tx.Now, Fields: []string{"key"}})
	}
	if c.Current, err = currentLeaf(tx, p.Certificate, a); err != nil {
		return c, err
	}
	c.Request = requestKind(c, a.Baseline != nil)
	c.OtherCertificates, err = certificate.FindOthers(tx, p.Certificate.UID, p.Subject.CertificateContent)
	return c, err
}

func baselineSubject(a gate.Authorship) (*api.IssuanceSubject, error) {
	if a.Baseline == nil {
		return nil, nil //nolint:nilnil // there may be none
	}
	s, err := gate.ReadSubject(a.Baseline.Subject)
	return &s, err
}

// compareSubjects lists what differs from the baseline; everything if there is no baseline.
func compareSubjects(baseline *api.IssuanceSubject, now api.IssuanceSubject) (api.IssuanceContext, error) {
	var before api.IssuanceSubject
	var old any
	if baseline != nil {
		before, old = *baseline, *baseline
	}
	changes, err := rules.ListChanges(old, now)
	return api.IssuanceContext{
		NamesAdded: without(now.SANs, before.SANs), NamesRemoved: without(before.SANs, now.SANs), KeyChanged: before.Key != now.Key,
		OtherChanges: slices.DeleteFunc(changes, func(c api.Change) bool { return slices.Contains(shownElsewhere, c.Pointer) }),
	}, err
}

// shownElsewhere are no other changes: names and key have their own fields, and the ids never change.
var shownElsewhere = []string{"/sans", "/key", "/certificate_id", "/profile_id"}

// without returns the elements of list that others lacks.
func without(list, others []string) []string {
	rest := []string{}
	for _, s := range list {
		if !slices.Contains(others, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// requestKind never calls a request a renewal if no human approved what it renews.
func requestKind(c api.IssuanceContext, approved bool) api.RequestKind {
	switch {
	case c.Current == nil:
		return api.RequestFirst
	case approved && len(c.NamesAdded)+len(c.NamesRemoved)+len(c.OtherChanges) == 0:
		return api.RequestRenewal
	default:
		return api.RequestReissue
	}
}

// groupChanges merges the fields that one version changed into one entry.
func groupChanges(changes []history.Change) []api.AuthoredChange {
	grouped := []api.AuthoredChange{}
	for _, c := range slices.SortedStableFunc(slices.Values(changes), func(a, b history.Change) int { return a.ChangedAt.Compare(b.ChangedAt) }) {
		last := len(grouped) - 1
		if last >= 0 && grouped[last].At.Equal(c.ChangedAt) && grouped[last].By == c.Principal {
			grouped[last].Fields = append(grouped[last].Fields, c.Field)
			continue
		}
		grouped = append(grouped, api.AuthoredChange{
			By: c.Principal, Accountable: c.Accountable, At: c.ChangedAt, Fields: []string{c.Field}, SeenBy: c.ApprovedBy,
		})
	}
	return grouped
}

func currentLeaf(tx *store.Tx, c certificate.Certificate, a gate.Authorship) (*api.CurrentLeaf, error) {
	if c.CurrentSerial == nil {
		return nil, nil //nolint:nilnil // there may be none
	}
	leaf, err := certificate.GetCurrentLeafOf(tx, c)
	if err != nil {
		return nil, err
	}
	j, err := job.Get(tx, leaf.JobID)
	if err != nil {
		return nil, err
	}
	s, err := gate.ReadSubject(j.Subject)
	if err != nil {
		return nil, err
	}
	return &api.CurrentLeaf{
		SerialNumber: leaf.SerialNumber, NotAfter: leaf.NotAfter, SANs: s.SANs, Key: s.Key,
		Approved: a.Baseline != nil && a.Baseline.SerialNumber == leaf.SerialNumber,
	}, nil
}

// reasonOf returns the reason of a request. To the scheduler's reason it adds which fields changed.
func reasonOf(who identity.Actor, given string, c api.IssuanceContext, approved bool) string {
	if who.ID != identity.Scheduler("").ID {
		return given
	}
	return given + "; " + describeChanges(c, approved)
}

func describeChanges(c api.IssuanceContext, approved bool) string {
	if !approved {
		return "no human has approved a certificate for it yet"
	}
	var fields []string
	if len(c.NamesAdded)+len(c.NamesRemoved) > 0 {
		fields = append(fields, "sans")
	}
	if c.KeyChanged {
		fields = append(fields, "key")
	}
	for _, change := range c.OtherChanges {
		fields = append(fields, strings.TrimPrefix(change.Pointer, "/"))
	}
	if len(fields) == 0 {
		return "nothing changed since the approved certificate"
	}
	return "changed since the approved certificate: " + strings.Join(fields, ", ")
}
