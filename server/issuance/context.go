package issuance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// describeRequest tells an approver what a request would change, compared with the baseline.
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
	c.OtherCertificates, err = certificate.Others(tx, p.Certificate.UID, p.Subject.CertificateContent)
	return c, err
}

func baselineSubject(a gate.Authorship) (*api.IssuanceSubject, error) {
	if a.Baseline == nil {
		return nil, nil //nolint:nilnil // there may be none
	}
	s, err := a.Baseline.Read()
	return &s, err
}

// compareSubjects lists what differs from the baseline. Without one everything is new.
func compareSubjects(baseline *api.IssuanceSubject, now api.IssuanceSubject) (api.IssuanceContext, error) {
	c := api.IssuanceContext{OtherChanges: []api.Change{}}
	old := map[string]json.RawMessage{}
	var before api.IssuanceSubject
	if baseline != nil {
		before = *baseline
		var err error
		if old, err = fieldsOf(before); err != nil {
			return c, err
		}
	}
	fields, err := fieldsOf(now)
	if err != nil {
		return c, err
	}
	c.NamesAdded, c.NamesRemoved = without(now.SANs, before.SANs), without(before.SANs, now.SANs)
	c.KeyChanged = before.Key != now.Key
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if slices.Contains(fieldsShownOtherwise, name) || string(old[name]) == string(fields[name]) {
			continue
		}
		c.OtherChanges = append(c.OtherChanges, api.Change{Pointer: "/" + name, Before: old[name], After: fields[name]})
	}
	return c, nil
}

// fieldsShownOtherwise are no other changes: names and key have members of their own, and the ids never change.
var fieldsShownOtherwise = []string{"sans", "key", "certificate_id", "profile_id"}

func fieldsOf(s api.IssuanceSubject) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the subject: %w", err)
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(text, &fields)
}

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

// groupChanges makes one entry of the fields that one version changed.
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
	leaf, err := certificate.CurrentOf(tx, c)
	if err != nil {
		return nil, err
	}
	j, err := job.Get(tx, leaf.JobID)
	if err != nil {
		return nil, err
	}
	s, err := gate.ReadSubject(j)
	if err != nil {
		return nil, err
	}
	return &api.CurrentLeaf{
		SerialNumber: leaf.SerialNumber, NotAfter: leaf.NotAfter, SANs: s.SANs, Key: s.Key,
		Approved: a.Baseline != nil && a.Baseline.SerialNumber == leaf.SerialNumber,
	}, nil
}

// reasonOf is the requester's reason. The scheduler's says which fields changed, in no words of a user.
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
