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
	Issuance   IssuanceOutcome    `json:"issuance" enum:"none,signs,waits" doc:"Outcome of the issuance that ?issue=true requests; none without it."`
	Changes    []Change           `json:"changes" doc:"Fields that the write changes."`
	CSRIgnored []Ignored          `json:"csr_ignored" doc:"Parts of the CSR that would not be signed."`
	Proposed   ProposedNames      `json:"proposed" doc:"Names to send."`
	Warnings   []string           `json:"warnings" doc:"Warnings about the write, for people to read."`
	Problem    *Problem           `json:"problem"`
}

// ProposedNames are the names of a certificate.
type ProposedNames struct {
	CommonName string   `json:"common_name" doc:"Common name; empty for none."`
	SANs       []string `json:"sans" doc:"Subject alternative names."`
}
