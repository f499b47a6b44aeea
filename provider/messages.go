package provider

// The summaries of warnings. If several warnings have the same summary, Terraform shows the first and counts the others. So
// no summary names an object: the detail does.
const (
	summaryAwaits       = "A certificate awaits approval"
	summaryWillAwait    = "A certificate will await approval"
	summaryIssuing      = "A certificate is still being issued"
	summaryNotIssued    = "A certificate was not issued"
	summaryRejected     = "A certificate was rejected"
	summaryAgain        = "A certificate is requested again"
	summaryNotNow       = "A certificate cannot be requested now"
	summaryStopped      = "Stopped waiting for a certificate"
	summaryStoppedJob   = "Stopped following a job"
	summaryIgnored      = "Parts of a CSR are not signed"
	summaryDestroyed    = "An issued certificate is destroyed"
	summaryReplaced     = "An issued certificate is replaced"
	summaryEditWaits    = "An edit of a certificate profile needs an approval"
	summaryEditMayWait  = "An edit of a certificate profile may need an approval"
	summaryEditPending  = "An edit of a certificate profile is still pending"
	summaryEditEffects  = "An edit of a certificate profile affects jobs or renewals"
	summaryNewProfile   = "A new id replaces a certificate profile"
	summaryRefusedEdit  = "The server would refuse an edit of a certificate profile"
	summaryRefused      = "The server would refuse a certificate profile"
	summaryRefusedNow   = "The server would refuse a certificate today"
	summaryServerWarns  = "The server warns of this plan"
	summaryNoPreview    = "The server did not check this plan"
	summaryMissingRoles = "The key cannot apply this plan"
)
