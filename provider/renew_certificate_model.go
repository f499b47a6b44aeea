package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type renewCertificateModel struct {
	CertificateID types.String         `tfsdk:"certificate_id"`
	Reason        types.String         `tfsdk:"reason"`
	Timeout       timetypes.GoDuration `tfsdk:"timeout"`
}
