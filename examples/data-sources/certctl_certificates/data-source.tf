# Literal arguments: Terraform reads this during the plan.
data "certctl_certificates" "blocked" {
  renewal = "blocked"
}

# A check warns. A precondition on a resource would stop the plan.
check "renewals" {
  assert {
    condition = length(data.certctl_certificates.blocked.ids) == 0
    error_message = join("\n", [
      for c in data.certctl_certificates.blocked.certificates :
      "The server cannot renew ${c.id} (${c.renewal.blocked_by}): ${c.renewal.detail}"
    ])
  }
}

# The certificates under one profile, with the end of each.
data "certctl_certificates" "payments" {
  profile_id = "p-payments"
}

output "ends" {
  value = { for c in data.certctl_certificates.payments.certificates : c.id => c.not_after }
}
