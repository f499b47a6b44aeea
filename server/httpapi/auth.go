package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// authenticate lets in who may call the operation, before the body is read, and puts the actor into the context.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	allowed, declared := ctx.Operation().Metadata[accessKey].(access)
	if declared && allowed.public {
		next(ctx)
		return
	}
	who, err := s.caller(ctx)
	if err == nil && !declared {
		err = errors.New("an operation does not say who may call it")
	}
	if err == nil && len(allowed.roles) > 0 && !who.Has(allowed.roles...) {
		err = forbidden(who, allowed.roles)
	}
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	next(huma.WithContext(ctx, withRequired(identity.WithActor(ctx.Context(), who), allowed)))
}

type requiredKey struct{}

func withRequired(ctx context.Context, a access) context.Context {
	return context.WithValue(ctx, requiredKey{}, a)
}

// standing is the caller as he stands in the transaction of his request. The door believes a key for some seconds,
// which is too long for whatever writes. A decision is left to the approval room, which looks itself.
func standing(tx *store.Tx) (identity.Actor, error) {
	who := identity.From(tx.Context())
	required, _ := tx.Context().Value(requiredKey{}).(access)
	if len(required.roles) == 0 {
		return who, nil
	}
	return holding(tx, who, required.roles)
}

// holding is a caller as he stands now, if he has any of the roles.
func holding(tx *store.Tx, who identity.Actor, roles []api.Role) (identity.Actor, error) {
	who, err := principal.Now(tx, who)
	if err == nil && !who.Has(roles...) {
		err = forbidden(who, roles)
	}
	return who, err
}

func (s *server) caller(ctx huma.Context) (identity.Actor, error) {
	key, ok := bearer(humagin.Unwrap(ctx).Request.Header.Values("Authorization"))
	if !ok {
		return identity.Actor{}, principal.ErrUnauthenticated
	}
	who, err := s.Authenticator.Authenticate(ctx.Context(), key, addressOf(ctx.RemoteAddr()))
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

func forbidden(who identity.Actor, roles []api.Role) *api.Problem {
	p := api.Refuse(api.CodeForbidden, "%s lacks the role %s", who.ID, roles[0])
	p.Principal, p.RequiredRoles = who.ID, roles
	return p
}

func (s *server) refuse(ctx huma.Context, err error) {
	refusal, headers := s.refusal(ctx.Context(), err)
	c := humagin.Unwrap(ctx)
	for name, values := range headers {
		c.Writer.Header()[http.CanonicalHeaderKey(name)] = values
	}
	send(c, refusal)
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
