resource "certctl_certificate_profile" "web" {
  name              = "Web"
  requires_approval = true
  allowed_dns_names = ["*.example.com"]
}

resource "certctl_certificate" "www" {
  id         = "mc-www"
  profile_id = certctl_certificate_profile.web.id
  sans       = ["www.example.com"]
  csr_pem    = local.cert_request_pem
}

# Stands for a consumer that Terraform updates in place, like a Kubernetes secret.
resource "terraform_data" "secret" {
  input = {
    private_key_pem = local.private_key_pem
    full_chain_pem  = certctl_certificate.www.full_chain_pem
  }

  lifecycle {
    precondition {
      condition     = certctl_certificate.www.up_to_date
      error_message = "The certificate of the new key is not issued yet."
    }
  }
}

# Stands for a consumer that Terraform replaces. Without create_before_destroy the old one is gone before the condition stops
# the apply.
resource "terraform_data" "upload" {
  triggers_replace = {
    private_key_pem = local.private_key_pem
    full_chain_pem  = certctl_certificate.www.full_chain_pem
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = certctl_certificate.www.up_to_date
      error_message = "The certificate of the new key is not issued yet."
    }
  }
}
