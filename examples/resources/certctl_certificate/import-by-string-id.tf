import {
  to = certctl_certificate.www
  id = "mc-www"
}
