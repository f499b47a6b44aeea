package provider

import (
	"github.com/certctl/terraform-provider-certctl/api"
)

// spec is everything that a caller writes. All of it is known when it is written.
func (m certificateModel) spec() api.CertificateSpec {
	return api.CertificateSpec{
		CommonName: m.CommonName.ValueString(), SANs: textsOf(m.SANs.Elements()), ProfileID: m.ProfileID.ValueString(), CSRPEM: m.CSRPEM.ValueString(),
		AutoRenew: m.AutoRenew.ValueBool(), RenewBeforeSeconds: m.RenewBeforeSeconds.ValueInt64Pointer(), Labels: labels(m.Labels),
	}
}
