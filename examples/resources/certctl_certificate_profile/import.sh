terraform import certctl_certificate_profile.cdn p-prod-cdn
