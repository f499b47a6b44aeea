import {
  to = certctl_certificate_profile.cdn
  id = "p-prod-cdn"
}
