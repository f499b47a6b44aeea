// Package identity has the type of an actor, a principal or one of the server's own actors. It also carries the request
// id and the claim of a command in a context.
//
// It owns no table and imports no other package of the server. Package principal knows whether a principal may act.
package identity

import (
	"context"
	"time"
)

// Kind is the kind of an actor: a person, a service or the server itself.
type Kind string

// The kinds of actor.
const (
	Human   Kind = "human"
	Service Kind = "service"
	System  Kind = "system"
)

// Actor is the author of an action. The zero Actor may do nothing.
type Actor struct {
	ID           string
	Kind         Kind
	Owner        string   // of a service: the human who owns it; of the scheduler: the person it asks for
	Roles        []string // as api.Role spells them
	KeyID        string
	KeyExpiresAt *time.Time
}

// SystemPrefix begins the ids of the server's own actors. No id of a principal begins with it.
const SystemPrefix = "system-"

// The server's own actors.
var (
	Reaper = Actor{ID: "system-reaper", Kind: System}
	Issuer = Actor{ID: "system-issuer", Kind: System}
	Bypass = Actor{ID: "system-bypass", Kind: System}
	CLI    = Actor{ID: "system-cli", Kind: System}
)

// Accountable returns the id of the person who is accountable for what the actor requests. For a service it is the owner.
func (a Actor) Accountable() string {
	if a.Kind == Human || a.Owner == "" {
		return a.ID
	}
	return a.Owner
}

// Scheduler returns the scheduler as an actor that renews for an accountable person.
func Scheduler(accountable string) Actor {
	return Actor{ID: "system-scheduler", Kind: System, Owner: accountable}
}

// Type returns the actor's type in the audit trail.
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

// WithRequestID returns a context with the id of a request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that ctx belongs to; empty outside a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Claim is the user and the host that ran a command, according to the operating system. A user who may run commands can
// forge it.
type Claim struct {
	User     string `json:"user"`
	Host     string `json:"host"`
	SudoUser string `json:"sudo_user,omitempty"`
}

type claimKey struct{}

// WithClaim returns a context with the claim of a command.
func WithClaim(ctx context.Context, c Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}

// ClaimOf returns the claim of the command that ctx belongs to; false outside a command.
func ClaimOf(ctx context.Context) (Claim, bool) {
	c, ok := ctx.Value(claimKey{}).(Claim)
	return c, ok
}
