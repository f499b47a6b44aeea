# Another team manages this profile. Find it by name or by id.
data "certctl_certificate_profile" "payments" {
  name = "Payments"

  lifecycle {
    postcondition {
      condition     = self.requires_approval
      error_message = "The profile of payments must require approval."
    }
  }
}

output "profile_id" {
  value = data.certctl_certificate_profile.payments.id
}
