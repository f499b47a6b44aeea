package approval

import (
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Approval is a request and its decision. Everything but the decision is fixed when the request is made.
type Approval struct {
	ID                 string
	Kind               api.ApprovalKind
	State              api.ApprovalState
	ProfileID          *string
	ProfileName        string
	CertificateID      *string
	CertificateUID     *string `gorm:"column:certificate_uid"`
	JobID              *string
	RequestedBy        string
	Accountable        string
	Excluded           store.JSON[[]string]
	Reason             string
	AlsoExcluded       store.JSON[[]string]
	StandsFor          store.JSON[[]string]
	PreviousApprovalID *string
	Previous           *store.JSON[api.PreviousRequest]
	Rejections         store.JSON[[]api.Rejection]
	Context            *store.JSON[api.IssuanceContext]
	CSRIgnored         store.JSON[[]api.Ignored] `gorm:"column:csr_ignored"`
	Effects            *store.JSON[api.EditEffects]
	Subject            string // RFC 8785 JSON
	Digest             string
	ExpiresAt          time.Time
	DecidedBy          *string
	DecidedAt          *time.Time
	Note               string
	Cause              *api.Cause
	ClosedBy           *string
	ClosedAt           *time.Time
	CreatedAt          time.Time
	UpdatedAt          time.Time

	// Undecidable says that nobody can decide the request. It is no column: the statements for callers compute it.
	Undecidable bool `gorm:"->"`
}

// TableName implements gorm's Tabler.
func (Approval) TableName() string { return "approvals" }

// API returns the approval as callers see it.
func (a Approval) API() api.Approval {
	return api.Approval{
		ID: a.ID, Kind: a.Kind, State: a.State, ProfileID: a.ProfileID, ProfileName: a.ProfileName,
		CertificateID: a.CertificateID, JobID: a.JobID, RequestedBy: a.RequestedBy, Accountable: a.Accountable,
		Excluded: a.Excluded.V, AlsoExcluded: a.AlsoExcluded.V, StandsFor: a.StandsFor.V,
		Reason: a.Reason, PreviousApprovalID: a.PreviousApprovalID, Previous: store.Value(a.Previous), Rejections: a.Rejections.V,
		Subject: json.RawMessage(a.Subject), Digest: a.Digest, Context: store.Value(a.Context), Effects: store.Value(a.Effects), CSRIgnored: a.CSRIgnored.V,
		ExpiresAt: a.ExpiresAt, DecidedBy: a.DecidedBy, DecidedAt: a.DecidedAt, Note: a.Note,
		Cause: a.Cause, ClosedBy: a.ClosedBy, ClosedAt: a.ClosedAt, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, Undecidable: a.Undecidable,
	}
}

// isOpen reports whether the approval can still be decided at a time.
func (a Approval) isOpen(now time.Time) bool {
	return a.State == api.ApprovalPending && now.Before(a.ExpiresAt)
}

// IsOverdue reports whether the deadline has passed and the expiry is not recorded yet.
func (a Approval) IsOverdue(now time.Time) bool {
	return a.State == api.ApprovalPending && !now.Before(a.ExpiresAt)
}

// Service makes and decides requests. Make it with New, and register every Kind before it is used.
type Service struct {
	kinds   map[api.ApprovalKind]Kind
	timeout time.Duration
	bypass  bool
	metrics *Metrics
	log     *slog.Logger
	denials *ratelimit.Limiter
}

// A refused decision writes an audit row, which is never deleted.
const (
	denialsPerSecond = 1
	denialsAtOnce    = 30
)

// New makes a Service whose requests expire after timeout. If bypass is on, every request is approved at once.
func New(timeout time.Duration, bypass bool, metrics *Metrics, log *slog.Logger) *Service {
	return &Service{
		kinds: map[api.ApprovalKind]Kind{}, timeout: timeout, bypass: bypass, metrics: metrics, log: log,
		denials: ratelimit.New(denialsPerSecond, denialsAtOnce),
	}
}

// Decider returns the actor who decided: a person, or one of the system. It is the zero Actor before the decision.
func (a Approval) Decider() identity.Actor {
	if a.DecidedBy == nil {
		return identity.Actor{}
	}
	if strings.HasPrefix(*a.DecidedBy, identity.SystemPrefix) {
		return identity.Actor{ID: *a.DecidedBy, Kind: identity.System}
	}
	return identity.Actor{ID: *a.DecidedBy, Kind: identity.Human}
}
