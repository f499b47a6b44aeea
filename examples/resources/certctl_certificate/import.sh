terraform import certctl_certificate.www mc-www
