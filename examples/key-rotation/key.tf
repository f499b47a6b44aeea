# The key and its CSR. Terraform stores the key in its state.
resource "time_rotating" "key" {
  rotation_days = 60
}

# time_rotating is created again when it is due, and that alone triggers nothing. An update of this resource does.
resource "terraform_data" "rotation" {
  input = time_rotating.key.id
}

resource "tls_private_key" "www" {
  algorithm   = "ECDSA"
  ecdsa_curve = "P256"

  lifecycle {
    replace_triggered_by = [terraform_data.rotation]
  }
}

resource "tls_cert_request" "www" {
  private_key_pem = tls_private_key.www.private_key_pem
  dns_names       = ["www.example.com"]
}

locals {
  private_key_pem  = tls_private_key.www.private_key_pem
  cert_request_pem = tls_cert_request.www.cert_request_pem
}
