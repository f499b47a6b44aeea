package gate

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// ListUngatedFaults lists what may not be signed without a human's approval. The pointers lead into the certificate as
// it was written.
func (p Proposal) ListUngatedFaults(names rules.UngatedNames) []api.Fault {
	s := p.Subject.IssuanceSubject
	s.SANs = p.Certificate.Spec.V.SANs
	return names.Faults(s, p.Profile)
}

// checkUngated returns a reason if a job that no human approved must be refused.
func checkUngated(names rules.UngatedNames, proposal Proposal) string {
	faults := names.Faults(proposal.Subject.IssuanceSubject, proposal.Profile)
	if len(faults) == 0 {
		return ""
	}
	return "no human approved it: " + joinFaults(faults)
}
