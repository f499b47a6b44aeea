package issuance

import (
	"encoding/json"
	"errors"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Preview tells what Renew would do for the caller. It locks and writes nothing. A certificate that is not there is an
// error; every other refusal is part of the preview.
func (s *Service) Preview(tx *store.Tx, who identity.Actor, certificateID string, r api.Renew) (api.RenewalPreview, error) {
	preview := api.RenewalPreview{Outcome: api.RenewalRefused, Subject: json.RawMessage("null"), Excluded: []string{}}
	if _, err := certificate.Get(tx, certificateID); err != nil {
		return preview, err
	}
	if faults := checkPeople(who, r); len(faults) > 0 {
		preview.Problem = api.Invalid(faults...)
		return preview, nil
	}
	p := Unprepared(certificateID, r)
	proposal, err := s.propose(tx, p, s.Gate.Look)
	if errors.As(err, &preview.Problem) {
		return preview, nil
	} else if err != nil {
		return preview, err
	}
	if err := s.fillPreview(tx, who, &preview, proposal, r); err != nil {
		return preview, err
	}
	_, err = s.renewable(tx, proposal, p)
	if errors.As(err, &preview.Problem) {
		preview.Outcome = api.RenewalRefused
		return preview, nil
	}
	return preview, err
}

func (s *Service) fillPreview(tx *store.Tx, who identity.Actor, preview *api.RenewalPreview, p gate.Proposal, r api.Renew) error {
	preview.Subject, preview.Digest = json.RawMessage(p.Subject.Canonical), p.Subject.Digest
	authorship, context, err := s.review(tx, who, p)
	if err != nil {
		return err
	}
	preview.Context = &context
	preview.Outcome = api.RenewalSigns
	if p.Profile.RequiresApproval && !s.Approvals.Bypasses() {
		preview.Outcome = api.RenewalWaits
	}
	if p.Profile.RequiresApproval {
		preview.Excluded, err = excluded(tx, who, authorship.Authors, r)
	}
	return err
}
