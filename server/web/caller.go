package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Access is what an operation asks of its caller.
type Access struct {
	Public bool
	Roles  []api.Role // any of them; none: every principal, and the room decides
	InRoom []api.Role // what the room asks for
}

// Caller is who sent a request, and what the operation asks of them.
type Caller struct {
	identity.Actor
	Access Access
}

type callerKey struct{}

// WithCaller adds the caller to a request's context.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller of a request; the zero Caller, which has no role, if nobody was authenticated.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Authenticate finds the caller of a request by its credentials and checks that they have one of the roles.
func (s *Server) Authenticate(r *http.Request, a Access) (Caller, error) {
	who, err := s.holder(r)
	if err == nil && len(a.Roles) > 0 && !principal.HasRole(who, a.Roles...) {
		err = forbidden(who, a.Roles)
	}
	return Caller{who, a}, err
}

func (s *Server) holder(r *http.Request) (identity.Actor, error) {
	key, ok := bearer(r.Header.Values("Authorization"))
	if !ok {
		return identity.Actor{}, principal.ErrUnauthenticated
	}
	who, err := s.Authenticator.Authenticate(r.Context(), key, addressOf(r.RemoteAddr))
	if errors.Is(err, principal.ErrTooManyFailures) {
		return who, api.Refuse(api.CodeRateLimited, "too many failed credentials from this address: wait a moment")
	}
	return who, err
}

// bearer reads the one place where a credential may be.
func bearer(headers []string) (string, bool) {
	if len(headers) != 1 {
		return "", false
	}
	scheme, key, ok := strings.Cut(headers[0], " ")
	return key, ok && strings.EqualFold(scheme, "Bearer")
}

// addressOf is the host of a remote address. An IPv6 network counts as one address: its owner has 2^64 of them.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	const network = 64
	prefix, err := ip.WithZone("").Prefix(network)
	if err != nil {
		return host
	}
	return prefix.String()
}

// reload reads the caller again inside the transaction of their request: Authenticate caches a key for some seconds,
// which is too long for a write. The approval room reloads those who decide itself.
func (c Caller) reload(tx *store.Tx) (identity.Actor, error) {
	if len(c.Access.Roles) == 0 {
		return c.Actor, nil
	}
	return reloadWith(tx, c.Actor, c.Access.Roles)
}

// checkReplayAllowed refuses to repeat the answer to a decision: the caller must still have the role that it needed.
// The roles of every other operation were checked by reload.
func (c Caller) checkReplayAllowed(tx *store.Tx) error {
	if len(c.Access.InRoom) == 0 {
		return nil
	}
	_, err := reloadWith(tx, c.Actor, c.Access.InRoom)
	return err
}

// reloadWith reloads a principal, and refuses if they no longer have any of the roles.
func reloadWith(tx *store.Tx, who identity.Actor, roles []api.Role) (identity.Actor, error) {
	who, err := principal.Reload(tx, who)
	if err == nil && !principal.HasRole(who, roles...) {
		err = forbidden(who, roles)
	}
	return who, err
}

func forbidden(who identity.Actor, roles []api.Role) *api.Problem {
	p := api.Refuse(api.CodeForbidden, "%s lacks the role %s", who.ID, roles[0])
	p.Principal, p.RequiredRoles = who.ID, roles
	return p
}
