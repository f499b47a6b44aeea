data "certctl_certificate_profiles" "all" {}

# Profiles whose certificates need no second person.
output "not_gated" {
  value = [for p in data.certctl_certificate_profiles.all.profiles : p.id if p.enabled && !p.requires_approval]
}

# Profiles with an edit that awaits a second person.
output "edits" {
  value = {
    for p in data.certctl_certificate_profiles.all.profiles :
    p.id => p.pending_approval_id if p.pending_approval_id != null
  }
}
