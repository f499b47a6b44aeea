package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type certificateProfilesModel struct {
	Name     types.String                  `tfsdk:"name"`
	IDs      []string                      `tfsdk:"ids"`
	Profiles []certificateProfileDataModel `tfsdk:"profiles"`
}
