package gate

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/zmap/zlint/v3/lint"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Gate decides what may be signed.
type Gate struct {
	store   *store.Store
	queue   *job.Queue
	issuers map[string]Issuer
	lints   lint.Registry
	bypass  bool
	log     *slog.Logger
	csrs    csrCache
}

// New makes the gate of some issuers, each under its id. If bypass is on, an approval by system-bypass counts.
func New(s *store.Store, queue *job.Queue, issuers map[string]Issuer, bypass bool, log *slog.Logger) (*Gate, error) {
	lints, err := rfc5280Lints()
	if err != nil {
		return nil, fmt.Errorf("choose lints: %w", err)
	}
	return &Gate{store: s, queue: queue, issuers: issuers, lints: lints, bypass: bypass, log: log}, nil
}

func (g *Gate) findIssuer(id string) (Issuer, error) {
	issuer, ok := g.issuers[id]
	if !ok {
		return nil, &UnsignableError{api.Fault{Detail: fmt.Sprintf("there is no issuer %q", id)}}
	}
	return issuer, nil
}

var (
	// ErrNothingToSign says that the certificate or its profile is gone.
	ErrNothingToSign = errors.New("the certificate or its profile is gone")
	// ErrProfileDisabled says that the job waits until its profile is enabled. The job is not cancelled.
	ErrProfileDisabled = errors.New("the profile is disabled")
)

// RefusedError says that the gate refused a job and ended it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused by the sign gate: " + e.Reason }

// UnsignableError says why nothing can be signed for a certificate, even with an approval.
type UnsignableError struct{ Fault api.Fault }

func (e *UnsignableError) Error() string { return e.Fault.Detail }

// splitUnsignable returns an UnsignableError as its first result, and any other error as its second.
func splitUnsignable(err error) (*UnsignableError, error) {
	var unsignable *UnsignableError
	if errors.As(err, &unsignable) {
		return unsignable, nil
	}
	return nil, err
}
