# terraform query lists the profiles. With -generate-config-out=profiles.tf it writes the blocks that import them.
list "certctl_certificate_profile" "all" {
  provider = certctl
}
