package approval

import (
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Kind is something that can wait for an approval.
type Kind interface {
	// Lock locks what an approval would change and compares the request with what would happen now. If they differ,
	// Lock returns ErrSubjectChanged, and the request is closed. Any other error refuses the decision without closing.
	Lock(tx *store.Tx, a Approval) error
	// Approve moves on what waited. If Approve returns an error, the whole decision is undone.
	Approve(tx *store.Tx, a Approval) error
	// Close ends what waited: the request was rejected, withdrawn, expired or cancelled.
	Close(tx *store.Tx, a Approval, cause api.Cause) error
}

// ErrSubjectChanged says that what was requested is no longer what would happen.
var ErrSubjectChanged = errors.New("subject changed")

// Register adds a kind of approval. app registers each kind once, before the server starts.
func (s *Service) Register(name api.ApprovalKind, k Kind) {
	if _, twice := s.kinds[name]; twice {
		panic(fmt.Sprintf("approval kind %q registered twice", name))
	}
	s.kinds[name] = k
}

// kindOf returns the kind of an approval. An unknown kind is an error, so it never opens the gate.
func (s *Service) kindOf(a Approval) (Kind, error) {
	k, ok := s.kinds[a.Kind]
	if !ok {
		return nil, fmt.Errorf("approval %s has the unknown kind %q", a.ID, a.Kind)
	}
	return k, nil
}
