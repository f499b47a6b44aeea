# Conditions that warn, in the plan and in the apply, and stop nothing. They use the reading at the top level. Every apply would
# read a data source inside a check block again, and `terraform plan -detailed-exitcode` would always be 2.
check "nothing_waits_long" {
  assert {
    condition     = data.certctl_pending_approvals.all.oldest_age_seconds <= var.warn_pending_hours * 3600
    error_message = "An approval has waited ${floor(data.certctl_pending_approvals.all.oldest_age_seconds / 3600)} hours; after ${var.max_pending_hours} the plan will be stopped. Oldest first: ${local.oldest_first}."
  }
}

check "no_edit_waits" {
  assert {
    condition     = data.certctl_pending_approvals.all.count_by_kind["profile_edit"] == 0
    error_message = "Edits of profiles await a second person (${data.certctl_pending_approvals.all.count_by_kind["profile_edit"]}), so the server has other rules than some configuration says."
  }
}

check "nothing_waits_under_this_profile" {
  assert {
    condition     = lookup(data.certctl_pending_approvals.all.count_by_profile, "p-web", 0) == 0
    error_message = "Requests under profile p-web await a second person. Change the profile when they are decided: a change now may make them stale."
  }
}
