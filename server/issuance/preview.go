package issuance

import (
	"encoding/json"
	"errors"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Preview returns what Renew would do for the caller. It locks and writes nothing. An absent certificate is an error;
// every other refusal is part of the preview.
func (s *Service) Preview(tx *store.Tx, who identity.Actor, r Request) (api.RenewalPreview, error) {
	preview := api.RenewalPreview{Outcome: api.RenewalRefused, Subject: json.RawMessage("null"), Excluded: []string{}, Warnings: []string{}}
	if _, err := certificate.Get(tx, r.CertificateID); err != nil {
		return preview, err
	}
	if faults := checkPeople(who, r.Renew); len(faults) > 0 {
		preview.Problem = api.Invalid(faults...)
		return preview, nil
	}
	proposal, err := propose(tx, r, s.Gate.GetProposal)
	if errors.As(err, &preview.Problem) {
		return preview, nil
	} else if err != nil {
		return preview, err
	}
	if err := s.fillPreview(tx, who, &preview, proposal, r); err != nil {
		return preview, err
	}
	_, err = s.checkRenewable(tx, proposal, r)
	if errors.As(err, &preview.Problem) {
		preview.Outcome = api.RenewalRefused
		return preview, nil
	}
	return preview, err
}

func (s *Service) fillPreview(tx *store.Tx, who identity.Actor, preview *api.RenewalPreview, p gate.Proposal, r Request) error {
	preview.Subject, preview.Digest = json.RawMessage(p.Subject.Canonical), p.Subject.Digest
	authorship, context, err := review(tx, who, p)
	if err != nil {
		return err
	}
	preview.Context = &context
	preview.Outcome = api.RenewalSigns
	if p.Profile.RequiresApproval && !s.Approvals.HasBypass() {
		preview.Outcome = api.RenewalWaits
	}
	if !p.Profile.RequiresApproval {
		return nil
	}
	if preview.Excluded, err = listExcluded(tx, who, authorship.Authors, r.Renew); err != nil || preview.Outcome != api.RenewalWaits {
		return err
	}
	approvers, err := principal.ListApprovers(tx)
	preview.Warnings = warnOfUndecidable(preview.Warnings, approvers, preview.Excluded)
	return err
}

// warnOfUndecidable adds a warning if none of the approvers can decide a request that excludes these people.
func warnOfUndecidable(warnings, approvers, excluded []string) []string {
	if detail := describeUndecidable(approvers, excluded); detail != "" {
		return append(warnings, detail)
	}
	return warnings
}

// findExcluded is listExcluded for the authors of what a proposal would sign.
func findExcluded(tx *store.Tx, who identity.Actor, p gate.Proposal, r api.Renew) ([]string, error) {
	authorship, err := gate.FindAuthorship(tx, p)
	if err != nil {
		return nil, err
	}
	return listExcluded(tx, who, authorship.Authors, r)
}

// PreviewIssue fills in what ?issue=true would do with a certificate that is to be stored. A refusal of the issuance
// refuses the whole call.
func (s *Service) PreviewIssue(tx *store.Tx, who identity.Actor, preview *api.CertificatePreview, c certificate.Candidate, r Request) error {
	if preview.Outcome == api.CertificateRefused {
		return nil
	}
	err := s.checkCandidate(tx, who, preview, c, r)
	if errors.As(err, &preview.Problem) {
		preview.Outcome, preview.Issuance = api.CertificateRefused, api.IssuanceNone
		return nil
	}
	return err
}

func (s *Service) checkCandidate(tx *store.Tx, who identity.Actor, preview *api.CertificatePreview, c certificate.Candidate, r Request) error {
	if faults := checkPeople(who, r.Renew); len(faults) > 0 {
		return api.Invalid(faults...)
	}
	proposal, err := s.Gate.ProposeNew(tx, c.Certificate)
	if err != nil {
		return asInvalid(err)
	}
	if c.ClosesRequest {
		proposal.Certificate.UID = "" // so the request that the edit cancels is not in the way
	}
	if _, err := s.checkRenewable(tx, proposal, r); err != nil {
		return err
	}
	preview.Issuance = api.IssuanceSigns
	if !proposal.Profile.RequiresApproval || s.Approvals.HasBypass() {
		return nil
	}
	preview.Issuance = api.IssuanceWaits
	// The caller writes what the candidate has, so the caller is excluded as the accountable person already.
	excluded, err := findExcluded(tx, who, proposal, r.Renew)
	if err != nil {
		return err
	}
	approvers, err := principal.ListApprovers(tx)
	preview.Warnings = warnOfUndecidable(preview.Warnings, approvers, excluded)
	return err
}
