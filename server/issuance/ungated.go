package issuance

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// checkApprovable refuses a proposal that no human will approve and that has something that needs approval. It takes no
// lock: the gate checks again before the signature.
func (s *Service) checkApprovable(tx *store.Tx, p gate.Proposal) error {
	if p.Profile.RequiresApproval && !s.Approvals.HasBypass() {
		return nil
	}
	names, err := profile.GetUngatedNames(tx)
	if err != nil {
		return err
	}
	faults := p.ListUngatedFaults(names)
	if len(faults) == 0 {
		return nil
	}
	why := "profile " + p.ProfileID + " is not gated"
	if p.Profile.RequiresApproval {
		why = "the bypass is no person"
	}
	refusal := api.Refuse(api.CodeApprovalRequired, "this needs the approval of a person, and %s; errors lists what needs it", why)
	refusal.Errors = faults
	return refusal
}
