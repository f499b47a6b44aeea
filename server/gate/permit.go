package gate

import (
	"errors"
	"slices"
)

// Permit is the right to make one signature. Only Admit makes one that is good for anything.
type Permit struct {
	tbs   []byte
	jobID string
}

// ErrNoPermit says that a Permit did not come from the gate.
var ErrNoPermit = errors.New("no permit: nothing is signed without the gate")

// TBS is what may be signed: the DER of a TBSCertificate.
func (p Permit) TBS() ([]byte, error) {
	if len(p.tbs) == 0 {
		return nil, ErrNoPermit
	}
	return slices.Clone(p.tbs), nil
}

// JobID is the job that the permit is for.
func (p Permit) JobID() string { return p.jobID }
