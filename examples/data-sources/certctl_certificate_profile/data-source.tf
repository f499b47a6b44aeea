# A profile that another team manages. By name, or by id.
data "certctl_certificate_profile" "payments" {
  name = "Payments"

  lifecycle {
    postcondition {
      condition     = self.requires_approval
      error_message = "Certificates of payments are signed only after a second person has approved them."
    }
  }
}

output "profile_id" {
  value = data.certctl_certificate_profile.payments.id
}
