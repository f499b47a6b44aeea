terraform import certctl_certificate_profile.cdn p-prod-cdn

# By name, when you do not know the id:
terraform import certctl_certificate_profile.cdn "name:Production CDN"
