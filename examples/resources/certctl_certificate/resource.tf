resource "certctl_certificate_profile" "web" {
  name              = "Web"
  requires_approval = true
  allowed_dns_names = ["*.example.com"]
}

# The private key stays on its machine. Only the request is here, usually as file("www.csr").
resource "certctl_certificate" "www" {
  id          = "mc-www"
  profile_id  = certctl_certificate_profile.web.id
  common_name = "www.example.com"
  sans        = ["www.example.com"]

  csr_pem = <<-CSR
    -----BEGIN CERTIFICATE REQUEST-----
    MIHTMHwCAQAwGjEYMBYGA1UEAwwPd3d3LmV4YW1wbGUuY29tMFkwEwYHKoZIzj0C
    AQYIKoZIzj0DAQcDQgAEqK0fkBjNx2sHeMz3DYpKDHUrDCQr2PCFUgLL3ZB6nbbx
    bUkX3NKVbVYYU0q+iwVWqI4GOS1629klKWX3PWMrR6AAMAoGCCqGSM49BAMCA0cA
    MEQCIH8HLZjPuJCh2yRacdS0aW0ZA/cVEct2vrug8c4uyIWgAiAdYy0iUCD2UlMy
    7UMD5k5yuCmKb1OXb5Okbge50Eoqlg==
    -----END CERTIFICATE REQUEST-----
  CSR

  # Another value requests a renewal.
  renewal_triggers = {
    rotation = "2026-01"
  }
}

# Null until a second person has approved the request and the server has issued the certificate.
output "certificate" {
  value = certctl_certificate.www.certificate_pem
}
