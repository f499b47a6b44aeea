terraform {
  required_providers {
    certctl = {
      source = "certctl/certctl"
    }
  }
}

# export CERTCTL_ENDPOINT=https://certctl.example.com
# export CERTCTL_API_KEY=ctl_...
provider "certctl" {}
