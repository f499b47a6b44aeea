package gate

import (
	"errors"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Permit is the right to make one signature. Only Admit makes one; every issuer refuses the zero Permit.
type Permit struct {
	tbs     []byte
	jobID   string
	issuer  Issuer
	subject api.IssuanceSubject
}

// ErrNoPermit says that a Permit did not come from Admit.
var ErrNoPermit = errors.New("no permit: nothing is signed without the gate")

// TBS returns the bytes that may be signed: the DER of a TBSCertificate. It returns ErrNoPermit for the zero Permit.
func (p Permit) TBS() ([]byte, error) {
	if len(p.tbs) == 0 {
		return nil, ErrNoPermit
	}
	return slices.Clone(p.tbs), nil
}

// JobID returns the id of the job.
func (p Permit) JobID() string { return p.jobID }

// Issuer returns the issuer that is to sign; nil for the zero Permit.
func (p Permit) Issuer() Issuer { return p.issuer }

// Subject returns what the bytes say.
func (p Permit) Subject() api.IssuanceSubject { return p.subject }
