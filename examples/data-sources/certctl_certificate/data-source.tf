# Another configuration manages this certificate. The plan stops until the certificate is up to date.
data "certctl_certificate" "payments" {
  id = "mc-payments"

  lifecycle {
    postcondition {
      condition     = self.up_to_date
      error_message = "Certificate ${self.id} is not up to date. Its status is ${self.status}. ${self.renewal.detail}"
    }
  }
}

# The certificate and its issuers, as a web server needs them.
output "full_chain_pem" {
  value = data.certctl_certificate.payments.full_chain_pem
}
