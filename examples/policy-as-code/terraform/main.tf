# An example of your own configuration. Copy the conditions in lifecycle.
terraform {
  required_providers {
    certctl = {
      source  = "certctl/certctl"
      version = "~> 0.1.0"
    }
  }
}

resource "certctl_certificate_profile" "web" {
  id                = "p-web"
  name              = "Web"
  requires_approval = var.requires_approval
  allowed_dns_names = ["*.example.com"]

  lifecycle {
    prevent_destroy = true

    postcondition {
      condition     = self.requires_approval || contains(var.ungated_profiles, self.id)
      error_message = "Profile ${self.id} must set requires_approval: it is not among ungated_profiles."
    }
  }
}
