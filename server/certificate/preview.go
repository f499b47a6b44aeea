package certificate

import (
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Candidate is a certificate as an edit or a create would store it.
type Candidate struct {
	Certificate
	ClosesRequest bool // the edit cancels the request that waits now
}

// Preview returns what Replace would do with a certificate, and what it would store. If no certificate has the id, it
// returns the same for Create. It locks and writes nothing. It leaves Issuance at none: package issuance fills it in.
func (s *Service) Preview(tx *store.Tx, in api.CreateCertificate, based api.Precondition) (api.CertificatePreview, Candidate, error) {
	p, err := findProfile(tx, in.ProfileID)
	if err != nil {
		return api.CertificatePreview{}, Candidate{}, err
	}
	preview := api.CertificatePreview{
		Outcome: api.CertificateCreates, Issuance: api.IssuanceNone, Changes: []api.Change{}, CSRIgnored: listIgnored(in.CertificateSpec, p),
		Proposed: rules.ProposeNames(in.CertificateSpec, p), Warnings: append([]string{}, rules.WarnOfNames(in.SANs)...),
	}
	stored, err := Get(tx, in.ID)
	candidate := Candidate{Certificate: stored}
	var before *api.CertificateSpec
	switch {
	case err == nil:
		before = &stored.Spec.V
		var e edit
		if e, err = checkEdit(tx, profile.Get, stored, in.CertificateSpec, based); e.none {
			preview.Outcome = api.CertificateNone
		} else {
			preview.Outcome = api.CertificateUpdates
		}
		if candidate.ClosesRequest = e.stale.ID != ""; candidate.ClosesRequest {
			preview.Warnings = append(preview.Warnings, fmt.Sprintf("approval %s, which waits, is cancelled", *e.stale.ApprovalID))
		}
	case api.Is(err, api.CodeNotFound) && len(based) == 0: // a new certificate is based on no version
		_, err = checkNew(tx, profile.Get, in)
	}
	if errors.As(err, &preview.Problem) {
		preview.Outcome, err = api.CertificateRefused, nil
	}
	if err != nil {
		return preview, candidate, err
	}
	candidate.Spec.V = in.CertificateSpec
	candidate.ID = in.ID
	preview.Changes, err = compareSpecs(before, in.CertificateSpec)
	return preview, candidate, err
}

// findProfile returns the rules of a profile. If there is no such profile, it returns rules that allow nothing: the fault is
// the problem of the preview.
func findProfile(tx *store.Tx, id string) (api.ProfileSpec, error) {
	p, err := profile.Get(tx, id)
	if api.Is(err, api.CodeNotFound) {
		return api.ProfileSpec{}, nil
	}
	return p.Spec.V, err
}

// listIgnored lists what the CSR asks for and would not be signed; nothing if the CSR cannot be read.
func listIgnored(spec api.CertificateSpec, p api.ProfileSpec) []api.Ignored {
	ignored, err := rules.ListIgnored(spec, p)
	if err != nil {
		return []api.Ignored{} // the fault is the problem of the preview
	}
	return ignored
}

// compareSpecs lists the fields that differ; every field if before is nil.
func compareSpecs(before *api.CertificateSpec, after api.CertificateSpec) ([]api.Change, error) {
	after.SANs = rules.SortSet(after.SANs)
	if before == nil {
		return rules.ListChanges(nil, after)
	}
	old := *before
	old.SANs = rules.SortSet(old.SANs)
	return rules.ListChanges(old, after)
}
