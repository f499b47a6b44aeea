package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"

	"github.com/certctl/terraform-provider-certctl/api"
)

// certificateProfileDataModel is a profile as a data source shows it: with what other people do to it.
type certificateProfileDataModel struct {
	certificateProfileModel
	PendingApprovalID *string `tfsdk:"pending_approval_id"`
	Undecidable       bool    `tfsdk:"undecidable"`
}

func newCertificateProfileDataModel(p api.Profile) certificateProfileDataModel {
	return certificateProfileDataModel{
		certificateProfileModel: newCertificateProfileModel(p),
		PendingApprovalID:       p.PendingApprovalID,
		Undecidable:             p.Undecidable,
	}
}

// certificateProfileDataAttributes returns the attributes that every data source shows of a profile.
func certificateProfileDataAttributes() map[string]schema.Attribute {
	attributes := certificateProfileAttributes()
	attributes["pending_approval_id"] = computedString("The approval that an edit of the profile waits for; null without one.")
	attributes["undecidable"] = computedBool("Whether the profile is gated and nobody could decide a request under it: there are not two enabled people, one to request and an approver to decide.")
	return attributes
}
