variable "approval_id" {
  type        = string
  default     = null
  description = "The approval that the ticket of this release names."
}

# The release continues only if a person gave this approval.
data "certctl_approval" "release" {
  count = var.approval_id == null ? 0 : 1
  id    = var.approval_id

  lifecycle {
    postcondition {
      condition     = self.state == "approved" && self.decided_by != "system-bypass"
      error_message = "Approval ${self.id} is ${self.state}: ${self.note}"
    }
  }
}

# The signed content or the edit, with its requester and its approver.
output "approved" {
  value = {
    for a in data.certctl_approval.release :
    a.id => {
      people      = [a.accountable, a.decided_by]
      subject     = jsondecode(a.subject_json)
      names_added = try(a.context.names_added, [])
    }
  }
}
