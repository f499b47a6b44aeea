package issuance

import (
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Kind is the approval of one signature. A job waits for it.
type Kind struct {
	Gate  *gate.Gate
	Queue *job.Queue
}

var _ approval.Kind = Kind{}

var errNoJob = errors.New("the approval names no job or no profile")

// Lock implements approval.Kind. The job's subject must be what would be signed now.
func (k Kind) Lock(tx *store.Tx, a approval.Approval) error {
	if a.JobID == nil || a.ProfileID == nil {
		return fmt.Errorf("approval %s: %w", a.ID, errNoJob)
	}
	unchanged, err := k.Gate.LockAndCompare(tx, *a.JobID, a.Subject, a.Digest)
	switch {
	case errors.Is(err, gate.ErrProfileDisabled):
		return profileDisabledProblem(*a.ProfileID)
	case err == nil && !unchanged:
		return approval.ErrSubjectChanged
	}
	return err
}

// Approve implements approval.Kind: a worker may take the job.
func (k Kind) Approve(tx *store.Tx, a approval.Approval) error {
	if a.JobID == nil {
		return fmt.Errorf("approval %s: %w", a.ID, errNoJob)
	}
	return k.Queue.Release(tx, *a.JobID)
}

// Close implements approval.Kind: the job is cancelled.
func (k Kind) Close(tx *store.Tx, a approval.Approval, cause api.Cause) error {
	if a.JobID == nil {
		return fmt.Errorf("approval %s: %w", a.ID, errNoJob)
	}
	return k.Queue.Cancel(tx, *a.JobID, cause)
}
