package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
)

// certificateDataModel is a certificate as a data source shows it. Nothing in it is unknown.
type certificateDataModel struct {
	ID                 string            `tfsdk:"id"`
	ProfileID          string            `tfsdk:"profile_id"`
	CommonName         string            `tfsdk:"common_name"`
	SANs               []string          `tfsdk:"sans"`
	CSRPEM             string            `tfsdk:"csr_pem"`
	AutoRenew          bool              `tfsdk:"auto_renew"`
	RenewBeforeSeconds *int64            `tfsdk:"renew_before_seconds"`
	Labels             map[string]string `tfsdk:"labels"`
	Status             string            `tfsdk:"status"`
	UpToDate           bool              `tfsdk:"up_to_date"`
	RenewAt            timetypes.RFC3339 `tfsdk:"renew_at"`
	ReadyForRenewal    bool              `tfsdk:"ready_for_renewal"`
	Renewal            renewalModel      `tfsdk:"renewal"`
	JobID              *string           `tfsdk:"job_id"`
	OpenJobID          *string           `tfsdk:"open_job_id"`
	Job                *jobModel         `tfsdk:"job"`
	ApprovalID         *string           `tfsdk:"approval_id"`
	ApprovalState      *string           `tfsdk:"approval_state"`
	CSRIgnored         []ignoredModel    `tfsdk:"csr_ignored"`
	CreatedAt          timetypes.RFC3339 `tfsdk:"created_at"`
	UpdatedAt          timetypes.RFC3339 `tfsdk:"updated_at"`
	leafModel
}

// leafModel has the attributes of the current leaf. Without a leaf each is null.
type leafModel struct {
	SerialNumber      *string           `tfsdk:"serial_number"`
	NotBefore         timetypes.RFC3339 `tfsdk:"not_before"`
	NotAfter          timetypes.RFC3339 `tfsdk:"not_after"`
	FingerprintSHA256 *string           `tfsdk:"fingerprint_sha256"`
	SPKISHA256        *string           `tfsdk:"spki_sha256"`
	SignedSANs        []string          `tfsdk:"signed_sans"`
	IssuerID          *string           `tfsdk:"issuer_id"`
	CertificatePEM    *string           `tfsdk:"certificate_pem"`
	ChainPEM          *string           `tfsdk:"chain_pem"`
	FullChainPEM      *string           `tfsdk:"full_chain_pem"`
}

// renewalModel is the next renewal, and what is in its way.
type renewalModel struct {
	DueAt     timetypes.RFC3339 `tfsdk:"due_at"`
	BlockedBy *string           `tfsdk:"blocked_by"`
	Since     timetypes.RFC3339 `tfsdk:"since"`
	Detail    string            `tfsdk:"detail"`
}

// jobModel is a job of a certificate.
type jobModel struct {
	ID           string  `tfsdk:"id"`
	Status       string  `tfsdk:"status"`
	Type         string  `tfsdk:"type"`
	Cause        *string `tfsdk:"cause"`
	ErrorMessage string  `tfsdk:"error_message"`
}

// ignoredModel is a part of a CSR that is not signed.
type ignoredModel struct {
	What  string `tfsdk:"what"`
	Value string `tfsdk:"value"`
}
