# Every condition passes and fails, with readings that are made up. It needs no server: `terraform test`
mock_provider "certctl" {
  override_data {
    target = data.certctl_pending_approvals.all
    values = {
      endpoint           = "https://certctl.example.com"
      approval_bypass    = false
      truncated          = false
      total_count        = 1
      oldest_age_seconds = 3600
      ids                = ["ar-1"]
      count_by_kind      = { issuance = 1, profile_edit = 0 }
      count_by_profile   = { p-api = 1 }
    }
  }
}

variables {
  endpoints = ["https://certctl.example.com"]
}

run "goes_on" {
  command = plan
}

run "goes_on_without_a_gate_that_is_not_needed" {
  command = plan
  variables {
    ungated_profiles  = ["p-web"]
    requires_approval = false
  }
}

run "stops_without_a_gate" {
  command = plan
  variables {
    requires_approval = false
  }
  expect_failures = [certctl_certificate_profile.web]
}

run "stops_on_another_server" {
  command = plan
  variables {
    endpoints = ["https://other.example.com"]
  }
  expect_failures = [data.certctl_pending_approvals.all]
}

run "stops_where_everything_is_approved" {
  command = plan
  override_data {
    target = data.certctl_pending_approvals.all
    values = {
      endpoint           = "https://certctl.example.com"
      approval_bypass    = true
      truncated          = false
      total_count        = 0
      oldest_age_seconds = 0
      ids                = []
      count_by_kind      = { issuance = 0, profile_edit = 0 }
      count_by_profile   = {}
    }
  }
  expect_failures = [data.certctl_pending_approvals.all]
}

run "stops_when_not_all_is_listed" {
  command = plan
  override_data {
    target = data.certctl_pending_approvals.all
    values = {
      endpoint           = "https://certctl.example.com"
      approval_bypass    = false
      truncated          = true
      total_count        = 1
      oldest_age_seconds = 3600
      ids                = []
      count_by_kind      = { issuance = 1, profile_edit = 0 }
      count_by_profile   = {}
    }
  }
  expect_failures = [data.certctl_pending_approvals.all]
}

run "stops_after_a_day" {
  command = plan
  override_data {
    target = data.certctl_pending_approvals.all
    values = {
      endpoint           = "https://certctl.example.com"
      approval_bypass    = false
      truncated          = false
      total_count        = 1
      oldest_age_seconds = 90001
      ids                = ["ar-1"]
      count_by_kind      = { issuance = 1, profile_edit = 0 }
      count_by_profile   = { p-api = 1 }
    }
  }
  expect_failures = [terraform_data.rollout, check.nothing_waits_long]
}

run "stops_when_many_wait" {
  command = plan
  variables {
    max_pending = 0
  }
  expect_failures = [terraform_data.rollout]
}

run "warns_after_some_hours" {
  command = plan
  variables {
    warn_pending_hours = 0
  }
  expect_failures = [check.nothing_waits_long]
}

run "warns_of_edits_and_of_what_waits_here" {
  command = plan
  override_data {
    target = data.certctl_pending_approvals.all
    values = {
      endpoint           = "https://certctl.example.com"
      approval_bypass    = false
      truncated          = false
      total_count        = 1
      oldest_age_seconds = 3600
      ids                = ["ar-1"]
      count_by_kind      = { issuance = 0, profile_edit = 1 }
      count_by_profile   = { p-web = 1 }
    }
  }
  expect_failures = [check.no_edit_waits, check.nothing_waits_under_this_profile]
}
