package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// certificateFilter has the arguments that select certificates. A certificate must match every argument.
type certificateFilter struct {
	ProfileID         types.String      `tfsdk:"profile_id"`
	CommonName        types.String      `tfsdk:"common_name"`
	SAN               types.String      `tfsdk:"san"`
	Status            types.String      `tfsdk:"status"`
	SerialNumber      types.String      `tfsdk:"serial_number"`
	FingerprintSHA256 types.String      `tfsdk:"fingerprint_sha256"`
	SPKISHA256        types.String      `tfsdk:"spki_sha256"`
	ExpiresBefore     timetypes.RFC3339 `tfsdk:"expires_before"`
	Renewal           types.String      `tfsdk:"renewal"`
}

// renewalBlocked is the only value of the argument renewal.
const renewalBlocked = "blocked"

// certificateFilterDescriptions has the arguments that are plain text. Neither kind of schema can use the other's attributes.
var certificateFilterDescriptions = map[string]string{
	"profile_id":         "Only certificates under this certificate profile.",
	"common_name":        "Only certificates with exactly this common name.",
	"san":                "Only certificates with exactly this name among the `sans`.",
	"status":             "Only certificates of this status: `unissued`, `awaiting_approval`, `issuing`, `issued`, `rejected`, `expired`, `request_expired`, `failed` or `cancelled`.",
	"serial_number":      "Only the certificate whose current or earlier leaf has this serial number, in lower-case hexadecimal.",
	"fingerprint_sha256": "Only the certificate whose current or earlier leaf has this SHA-256 in DER, in lower-case hexadecimal.",
	"spki_sha256":        "Only certificates whose CSR, current or earlier leaf has a public key with this SHA-256, in lower-case hexadecimal.",
	"renewal":            "`blocked`: only certificates that the server cannot renew.",
}

const expiresBeforeDescription = "Only certificates whose current leaf ends before this time, like `2027-01-31T00:00:00Z`."

// validateCertificateFilter returns the validators of an argument. The server takes an empty value for no filter.
func validateCertificateFilter(name string) []validator.String {
	switch name {
	case "status":
		return []validator.String{stringvalidator.OneOf(certificateStatuses()...)}
	case "renewal":
		return []validator.String{stringvalidator.OneOf(renewalBlocked)}
	default:
		return []validator.String{stringvalidator.LengthAtLeast(1)}
	}
}

func certificateStatuses() []string {
	statuses := []api.CertificateStatus{
		api.CertificateUnissued, api.CertificateAwaitingApproval, api.CertificateIssuing, api.CertificateIssued, api.CertificateExpired,
		api.CertificateRejected, api.CertificateRequestExpired, api.CertificateFailed, api.CertificateCancelled,
	}
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = string(status)
	}
	return names
}

// options returns the query that selects the certificates.
func (f certificateFilter) options() (client.ListCertificatesOptions, diag.Diagnostics) {
	var before time.Time
	var diags diag.Diagnostics
	if !f.ExpiresBefore.IsNull() {
		before, diags = f.ExpiresBefore.ValueRFC3339Time()
	}
	return client.ListCertificatesOptions{
		ProfileID:         f.ProfileID.ValueString(),
		CommonName:        f.CommonName.ValueString(),
		SAN:               f.SAN.ValueString(),
		Status:            api.CertificateStatus(f.Status.ValueString()),
		ExpiresBefore:     before,
		SerialNumber:      f.SerialNumber.ValueString(),
		FingerprintSHA256: f.FingerprintSHA256.ValueString(),
		SPKISHA256:        f.SPKISHA256.ValueString(),
		Blocked:           f.Renewal.ValueString() == renewalBlocked,
	}, diags
}
