package provider

import (
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"

	"github.com/certctl/terraform-provider-certctl/api"
)

// newCertificateDataModel returns a certificate as a data source shows it.
func newCertificateDataModel(c api.Certificate, now time.Time) certificateDataModel {
	return certificateDataModel{
		ID:                 c.ID,
		ProfileID:          c.ProfileID,
		CommonName:         c.CommonName,
		SANs:               c.SANs,
		CSRPEM:             c.CSRPEM,
		AutoRenew:          c.AutoRenew,
		RenewBeforeSeconds: c.RenewBeforeSeconds,
		Labels:             c.Labels,
		Status:             string(c.Status),
		UpToDate:           c.UpToDate,
		RenewAt:            newOptionalTimestamp(c.RenewAt),
		ReadyForRenewal:    c.RenewAt != nil && !c.RenewAt.After(now),
		Renewal:            newRenewalModel(c.Renewal),
		JobID:              idOfJob(c.Job),
		OpenJobID:          c.OpenJobID,
		Job:                newJobModel(c.Job),
		ApprovalID:         c.ApprovalID,
		ApprovalState:      (*string)(c.ApprovalState),
		CSRIgnored:         newIgnoredModels(c.CSRIgnored),
		CreatedAt:          newTimestamp(c.CreatedAt),
		UpdatedAt:          newTimestamp(c.UpdatedAt),
		leafModel:          newLeafModel(c.Current),
	}
}

func newLeafModel(leaf *api.Leaf) leafModel {
	if leaf == nil {
		return leafModel{NotBefore: timetypes.NewRFC3339Null(), NotAfter: timetypes.NewRFC3339Null()}
	}
	return leafModel{
		SerialNumber:      &leaf.SerialNumber,
		NotBefore:         newTimestamp(leaf.NotBefore),
		NotAfter:          newTimestamp(leaf.NotAfter),
		FingerprintSHA256: &leaf.FingerprintSHA256,
		SPKISHA256:        &leaf.SPKISHA256,
		SignedSANs:        leaf.SANs,
		IssuerID:          &leaf.IssuerID,
		CertificatePEM:    &leaf.CertificatePEM,
		ChainPEM:          &leaf.ChainPEM,
		FullChainPEM:      new(joinPEM(leaf.CertificatePEM, leaf.ChainPEM)),
	}
}

// joinPEM puts a certificate before its issuers, as a server needs them in one file.
func joinPEM(certificate, issuers string) string {
	if !strings.HasSuffix(certificate, "\n") {
		certificate += "\n"
	}
	return certificate + issuers
}

func newRenewalModel(r api.Renewal) renewalModel {
	return renewalModel{
		DueAt:     newOptionalTimestamp(r.DueAt),
		BlockedBy: (*string)(r.BlockedBy),
		Since:     newOptionalTimestamp(r.Since),
		Detail:    r.Detail,
	}
}

func newJobModel(job *api.JobSummary) *jobModel {
	if job == nil {
		return nil
	}
	return &jobModel{
		ID: job.ID, Status: string(job.Status), Type: string(job.Type), Cause: (*string)(job.Cause), ErrorMessage: job.ErrorMessage,
	}
}

func idOfJob(job *api.JobSummary) *string {
	if job == nil {
		return nil
	}
	return &job.ID
}

func newIgnoredModels(parts []api.Ignored) []ignoredModel {
	out := make([]ignoredModel, len(parts))
	for i, part := range parts {
		out[i] = ignoredModel(part)
	}
	return out
}

// newOptionalTimestamp returns null without a time.
func newOptionalTimestamp(t *time.Time) timetypes.RFC3339 {
	if t == nil {
		return timetypes.NewRFC3339Null()
	}
	return newTimestamp(*t)
}
