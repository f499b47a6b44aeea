import {
  to = certctl_certificate_profile.cdn
  identity = {
    id = "p-prod-cdn"
  }
}
