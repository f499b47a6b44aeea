data "certctl_certificate_profiles" "all" {}

# Profiles whose certificates need no second person.
output "not_gated" {
  value = [for p in data.certctl_certificate_profiles.all.profiles : p.id if p.enabled && !p.requires_approval]
}
