# Gated: the server signs nothing until a second person has approved exactly that request.
resource "certctl_certificate_profile" "cdn" {
  id                = "p-prod-cdn"
  name              = "Production CDN"
  requires_approval = true
  allowed_dns_names = ["**.example.com"]
  max_ttl_seconds   = 30 * 24 * 3600
}

# Client certificates of nodes: the common name is no host name, so it need not be among the sans.
resource "certctl_certificate_profile" "nodes" {
  name                 = "Cluster nodes"
  requires_approval    = true
  allowed_ekus         = ["clientAuth"]
  allowed_common_names = ["system:node:*"]
  subject_attributes   = { organization = ["system:nodes"] }
  key_usages           = ["digitalSignature"]
  csr_extras           = "refuse"
}

# Not gated: for names without risk.
resource "certctl_certificate_profile" "dev" {
  name              = "Development"
  requires_approval = false
  allowed_dns_names = ["*.dev.example.com"]

  allowed_key_algorithms = [
    { algorithm = "ECDSA", min_size = 256 },
    { algorithm = "Ed25519" },
  ]

  labels = {
    team = "platform"
  }
}
