variable "endpoints" {
  description = "The servers whose approvals count."
  type        = list(string)
}

variable "max_pending_hours" {
  description = "How long an approval may wait."
  type        = number
  default     = 24
}

variable "warn_pending_hours" {
  description = "How long an approval may wait before the plan warns of it."
  type        = number
  default     = 4
}

variable "max_pending" {
  description = "How many approvals may wait."
  type        = number
  default     = 20
}

variable "environment" {
  description = "The environment that the profile is for."
  type        = string
  default     = "production"
}

variable "ungated_environments" {
  description = "Environments whose profiles may be without a gate."
  type        = list(string)
  default     = ["development"]
}

variable "requires_approval" {
  description = "Whether the profile is gated."
  type        = bool
  default     = true
}
