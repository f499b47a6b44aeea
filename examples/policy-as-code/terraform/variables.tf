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

variable "ungated_profiles" {
  description = "Ids of profiles that may be without a gate."
  type        = list(string)
  default     = []
}

variable "requires_approval" {
  description = "Whether the profile is gated."
  type        = bool
  default     = true
}
