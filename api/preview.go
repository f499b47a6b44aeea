package api

// CertificateOutcome is what a POST or a PUT of a certificate would do.
type CertificateOutcome string

// The outcomes.
const (
	CertificateCreates CertificateOutcome = "creates" // a new certificate
	CertificateNone    CertificateOutcome = "none"    // the content is stored already
	CertificateUpdates CertificateOutcome = "updates" // a stored one
	CertificateRefused CertificateOutcome = "refused" // see the problem
)

// IssuanceOutcome is what ?issue=true would do.
type IssuanceOutcome string

// The outcomes.
const (
	IssuanceNone  IssuanceOutcome = "none"  // nothing is issued
	IssuanceSigns IssuanceOutcome = "signs" // a worker signs at once
	IssuanceWaits IssuanceOutcome = "waits" // for a second person
)

// CertificatePreview is what a POST or a PUT of a certificate would do. Nothing of it has happened.
type CertificatePreview struct {
	Outcome    CertificateOutcome `json:"outcome" enum:"creates,none,updates,refused"`
	Issuance   IssuanceOutcome    `json:"issuance" enum:"none,signs,waits" doc:"what ?issue=true would do; none without it"`
	Changes    []Change           `json:"changes"`
	CSRIgnored []Ignored          `json:"csr_ignored" doc:"what the CSR asks for and the certificate would not have"`
	Proposed   ProposedNames      `json:"proposed" doc:"the names to send"`
	Warnings   []string           `json:"warnings"`
	Problem    *Problem           `json:"problem" doc:"why it is refused; null unless it is"`
}

// ProposedNames are the names of a certificate.
type ProposedNames struct {
	CommonName string   `json:"common_name"`
	SANs       []string `json:"sans"`
}
