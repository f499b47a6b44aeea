package provider

import (
	"github.com/certctl/terraform-provider-certctl/api"
)

// spec returns the fields that a caller writes. All of them are known during an apply.
func (m certificateModel) spec() api.CertificateSpec {
	return api.CertificateSpec{
		CommonName: m.CommonName.ValueString(), SANs: stringsOf(m.SANs.Elements()), ProfileID: m.ProfileID.ValueString(), CSRPEM: m.CSRPEM.ValueString(),
		AutoRenew: m.AutoRenew.ValueBool(), RenewBeforeSeconds: m.RenewBeforeSeconds.ValueInt64Pointer(), Labels: stringMapOf(m.Labels),
	}
}
