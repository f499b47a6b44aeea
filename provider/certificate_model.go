package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// certificateModel is a certificate in configuration, plan and state.
type certificateModel struct {
	ID                 types.String   `tfsdk:"id"`
	ProfileID          types.String   `tfsdk:"profile_id"`
	CommonName         types.String   `tfsdk:"common_name"`
	SANs               types.Set      `tfsdk:"sans"`
	CSRPEM             types.String   `tfsdk:"csr_pem"`
	AutoRenew          types.Bool     `tfsdk:"auto_renew"`
	RenewBeforeSeconds types.Int64    `tfsdk:"renew_before_seconds"`
	Labels             types.Map      `tfsdk:"labels"`
	RenewalTriggers    types.Map      `tfsdk:"renewal_triggers"`
	WaitForIssuance    types.Bool     `tfsdk:"wait_for_issuance"`
	Timeouts           timeouts.Value `tfsdk:"timeouts"`
	CSRIgnored         types.List     `tfsdk:"csr_ignored"`
	issuanceOutputs
}

// issuanceOutputs are the attributes that issuance changes: those of the newest request, and those of the current leaf.
type issuanceOutputs struct {
	requestOutputs
	leafOutputs
	RenewAt         timetypes.RFC3339 `tfsdk:"renew_at"`
	ReadyForRenewal types.Bool        `tfsdk:"ready_for_renewal"`
}

// leafOutputs are the attributes of the current leaf. Without a leaf each is null.
type leafOutputs struct {
	SerialNumber      types.String      `tfsdk:"serial_number"`
	NotBefore         timetypes.RFC3339 `tfsdk:"not_before"`
	NotAfter          timetypes.RFC3339 `tfsdk:"not_after"`
	FingerprintSHA256 types.String      `tfsdk:"fingerprint_sha256"`
	SPKISHA256        types.String      `tfsdk:"spki_sha256"`
	SignedSANs        types.Set         `tfsdk:"signed_sans"`
	IssuerID          types.String      `tfsdk:"issuer_id"`
	CertificatePEM    types.String      `tfsdk:"certificate_pem"`
	ChainPEM          types.String      `tfsdk:"chain_pem"`
	FullChainPEM      types.String      `tfsdk:"full_chain_pem"`
}

// requestOutputs are the attributes that a request changes before anything is signed.
type requestOutputs struct {
	Status        types.String `tfsdk:"status"`
	JobID         types.String `tfsdk:"job_id"`
	ApprovalID    types.String `tfsdk:"approval_id"`
	ApprovalState types.String `tfsdk:"approval_state"`
	UpToDate      types.Bool   `tfsdk:"up_to_date"`
}
