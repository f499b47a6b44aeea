package api

import "strings"

// Cause is why a request ended without a decision, or a job without a certificate.
type Cause string

// The causes. A job has the cause of its request, or one of the last two.
const (
	CauseApprovalRejected    Cause = "approval_rejected"
	CauseApprovalWithdrawn   Cause = "approval_withdrawn"
	CauseApprovalExpired     Cause = "approval_expired"
	CauseSubjectChanged      Cause = "subject_changed"
	CauseCertificateArchived Cause = "certificate_archived"
	CauseEditReplaced        Cause = "edit_replaced"
	CauseProfileDeleted      Cause = "profile_deleted"
	CausePersonDisabled      Cause = "person_disabled"
	CauseOwnerChanged        Cause = "owner_changed"
	CauseGateRefused         Cause = "gate_refused"
	CauseIssuerFailed        Cause = "issuer_failed"
)

// Words is the cause as people read it.
func (c Cause) Words() string { return strings.ReplaceAll(string(c), "_", " ") }
