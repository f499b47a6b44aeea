import {
  to = certctl_certificate.www
  identity = {
    id = "mc-www"
  }
}
