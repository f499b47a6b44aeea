// Package identity says who acts: a principal or one of the system's own actors, and under which request.
//
// It is a leaf: no tables, no other room. Whether a principal still may act is asked of the principal room.
package identity

import (
	"context"
	"time"
)

// Kind tells people, services and the system apart.
type Kind string

// The kinds of actor.
const (
	Human   Kind = "human"
	Service Kind = "service"
	System  Kind = "system"
)

// Actor is whoever acts. The zero Actor may do nothing.
type Actor struct {
	ID           string
	Kind         Kind
	Owner        string   // of a service: the human who owns it; of the scheduler: the person it asks for
	Roles        []string // as api.Role spells them
	KeyID        string
	KeyExpiresAt *time.Time
}

// SystemPrefix begins the ids of the system's own actors; no principal has it.
const SystemPrefix = "system-"

// The system's own actors.
var (
	Reaper = Actor{ID: "system-reaper", Kind: System}
	Issuer = Actor{ID: "system-issuer", Kind: System}
	Bypass = Actor{ID: "system-bypass", Kind: System}
	CLI    = Actor{ID: "system-cli", Kind: System}
)

// Accountable is the one person who stands behind what the actor asks for.
func (a Actor) Accountable() string {
	if a.Kind == Human || a.Owner == "" {
		return a.ID
	}
	return a.Owner
}

// Scheduler is the scheduler asking for something that a person stands behind.
func Scheduler(accountable string) Actor {
	return Actor{ID: "system-scheduler", Kind: System, Owner: accountable}
}

// Type is the actor's type in the audit trail.
func (a Actor) Type() string {
	switch a.Kind {
	case Human:
		return "User"
	case Service:
		return "Service"
	default:
		return "System"
	}
}

type requestIDKey struct{}

// WithRequestID puts the request's id into the context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id of the request that ctx belongs to; empty outside a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Claim is the user and the host that ran a command, as the operating system tells. Anyone who may run commands can
// make it say something else.
type Claim struct {
	User     string `json:"user"`
	Host     string `json:"host"`
	SudoUser string `json:"sudo_user,omitempty"`
}

type claimKey struct{}

// WithClaim puts a command's claim into the context.
func WithClaim(ctx context.Context, c Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}

// ClaimOf is the claim of the command that ctx belongs to; false outside a command.
func ClaimOf(ctx context.Context) (Claim, bool) {
	c, ok := ctx.Value(claimKey{}).(Claim)
	return c, ok
}
