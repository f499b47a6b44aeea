action "certctl_renew_certificate" "www" {
  config {
    certificate_id = "mc-www"
    reason         = "key ceremony SECOPS-12345"
  }
}
