# HCP Terraform and Terraform Enterprise read this file, the policies and data.json. They load no other data.
policy "certctl" {
  description       = "Denies plans that weaken certctl's gate, and plans while approvals wait too long."
  query             = "data.certctl.deny"
  enforcement_level = "mandatory"
}

policy "certctl-warnings" {
  description       = "Lists changes that will wait for a second person."
  query             = "data.certctl.warn"
  enforcement_level = "advisory"
}
