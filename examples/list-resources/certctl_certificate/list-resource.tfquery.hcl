# terraform query lists the certificates under a profile. With -generate-config-out=certificates.tf it writes the blocks that
# import them.
list "certctl_certificate" "payments" {
  provider = certctl

  config {
    profile_id = "p-payments"
  }
}
