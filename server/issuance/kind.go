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

// Kind is the approval of one signature. What waits is a job.
type Kind struct {
	Gate  *gate.Gate
	Queue *job.Queue
}

var _ approval.Kind = Kind{}

// Stands implements approval.Kind.
func (k Kind) Stands(tx *store.Tx, a approval.Approval) error {
	if a.JobID == nil {
		return fmt.Errorf("approval %s names no job", a.ID)
	}
	unchanged, err := k.Gate.Unchanged(tx, *a.JobID, a.Subject, a.Digest)
	switch {
	case errors.Is(err, gate.ErrProfileDisabled):
		return profileDisabled(a.ProfileID)
	case err == nil && !unchanged:
		return approval.ErrSubjectChanged
	}
	return err
}

// Approved implements approval.Kind.
func (k Kind) Approved(tx *store.Tx, a approval.Approval) error {
	return k.Queue.Release(tx, *a.JobID)
}

// Closed implements approval.Kind.
func (k Kind) Closed(tx *store.Tx, a approval.Approval, cause api.Cause) error {
	if a.JobID == nil {
		return errors.New("the approval names no job")
	}
	return k.Queue.Cancel(tx, *a.JobID, cause)
}
