# Warnings about pending approvals: what people should know before they decide. Nothing of it denies a plan, because the
# approver judges the request. A provider that lacks one of these values causes no warning of its kind.
package certctl

import data.certctl.readings
import rego.v1

warn contains sprintf("Approval %s (%s): nobody can decide it. Withdraw it, or give another person the role approver.", [approval.id, subject(approval)]) if {
	some approval in listed
	approval.undecidable == true
}

warn contains sprintf("Approval %s (%s): %s rejected approval %s, a request for one of the names. The note: %s", [approval.id, subject(approval), rejection.decided_by, rejection.approval_id, rejection.note]) if {
	some approval in listed
	some rejection in approval.rejections
}

# The rejections of an issuance are listed by name. An edit of a profile has only the previous request.
warn contains sprintf("Approval %s (%s): %s rejected the previous request %s. The note: %s", [approval.id, subject(approval), approval.previous.decided_by, approval.previous_approval_id, approval.previous.note]) if {
	some approval in listed
	approval.kind == "profile_edit"
	approval.previous.state == "rejected"
}

warn contains sprintf("Approval %s (%s): the request changes the key of a certificate that a person approved.", [approval.id, subject(approval)]) if {
	some approval in listed
	approval.context.key_changed == true
	approval.context.current.approved == true
}

warn contains sprintf("Approval %s (%s): other certificates (%d) have one of the names or the key: %s.", [approval.id, subject(approval), others.count, concat(", ", others.ids)]) if {
	some approval in listed
	others := approval.context.other_certificates
	others.count > 0
}

warn contains sprintf("Approval %s (%s): the CSR asks for parts that are not signed: %s.", [approval.id, subject(approval), concat(", ", {part.what | some part in approval.csr_ignored})]) if {
	some approval in listed
	count(approval.csr_ignored) > 0
}

warn contains sprintf("Approval %s (%s): the edit would end open jobs (%d) and block renewals (%d).", [approval.id, subject(approval), approval.effects.jobs_cancelled, approval.effects.renewals_blocked]) if {
	some approval in listed
	approval.effects.jobs_cancelled + approval.effects.renewals_blocked > 0
}

listed contains approval if {
	some reading in readings.sound
	some approval in reading.values.approvals
}
