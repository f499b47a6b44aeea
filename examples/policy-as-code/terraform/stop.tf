# Conditions that stop.

# The reading for all conditions: at the top level and with literal arguments, so Terraform reads it during the plan. Its
# postconditions fail if the reading is not reliable.
data "certctl_pending_approvals" "all" {
  lifecycle {
    postcondition {
      condition     = contains(var.endpoints, self.endpoint)
      error_message = "The approvals were read from ${self.endpoint}, which is not one of ${join(", ", var.endpoints)}."
    }
    postcondition {
      condition     = !self.approval_bypass
      error_message = "${self.endpoint} approves every request by itself (CERTCTL_APPROVAL_BYPASS): no second person decides. Turn the bypass off."
    }
    postcondition {
      condition     = !self.truncated
      error_message = "${self.endpoint} has ${self.total_count} pending approvals, more than are listed. Have some decided, or set limit higher."
    }
  }
}

locals {
  oldest_first = join(", ", data.certctl_pending_approvals.all.ids)
}

# The resource that must not change while too many approvals wait.
resource "terraform_data" "rollout" {
  lifecycle {
    precondition {
      condition     = data.certctl_pending_approvals.all.oldest_age_seconds <= var.max_pending_hours * 3600
      error_message = "An approval on ${data.certctl_pending_approvals.all.endpoint} has waited ${floor(data.certctl_pending_approvals.all.oldest_age_seconds / 3600)} hours, and ${var.max_pending_hours} are allowed. Have it decided: ${local.oldest_first}."
    }
    precondition {
      condition     = data.certctl_pending_approvals.all.total_count <= var.max_pending
      error_message = "${data.certctl_pending_approvals.all.total_count} approvals await a second person on ${data.certctl_pending_approvals.all.endpoint}, and ${var.max_pending} are allowed. Have some decided: ${local.oldest_first}."
    }
  }
}
