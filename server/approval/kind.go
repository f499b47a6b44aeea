package approval

import (
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Kind is something that can wait for an approval.
type Kind interface {
	// Stands locks what an approval would change and compares the request with what would happen now:
	// nil if they are the same, ErrSubjectChanged if not. Any other error refuses without closing.
	Stands(tx *store.Tx, a Approval) error
	// Approved lets what waited go on. It must fail if that is not possible: then nothing was approved.
	Approved(tx *store.Tx, a Approval) error
	// Closed ends what waited: the request was rejected, withdrawn, expired or cancelled.
	Closed(tx *store.Tx, a Approval, cause api.Cause) error
}

// ErrSubjectChanged says that what was requested is no longer what would happen.
var ErrSubjectChanged = errors.New("subject changed")

// Register says what a kind of approval moves. Every kind is registered once, before the server starts.
func (s *Service) Register(name api.ApprovalKind, k Kind) {
	if _, twice := s.kinds[name]; twice {
		panic(fmt.Sprintf("approval kind %q registered twice", name))
	}
	s.kinds[name] = k
}

// kind finds what an approval moves; an unknown kind is an error, so that it never opens the gate.
func (s *Service) kind(a Approval) (Kind, error) {
	k, ok := s.kinds[a.Kind]
	if !ok {
		return nil, fmt.Errorf("approval %s has the unknown kind %q", a.ID, a.Kind)
	}
	return k, nil
}
