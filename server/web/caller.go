package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Access says who may call an operation.
type Access struct {
	Public bool
	// Roles are the roles of which the caller needs one. If there are none, every principal may call.
	Roles []api.Role
	// DeciderRoles are the roles that package approval asks of a caller who decides.
	DeciderRoles []api.Role
}

// Caller is the sender of a request, with the access of the operation.
type Caller struct {
	identity.Actor
	Access Access
}

type callerKey struct{}

// WithCaller adds the caller to a request's context.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller of a request. If nobody was authenticated, it returns the zero Caller, which has no role.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Authenticate returns the caller of a request. If the caller lacks the roles of the operation, it returns an error.
func (s *Server) Authenticate(r *http.Request, a Access) (Caller, error) {
	who, err := s.findCaller(r)
	if err == nil {
		err = CheckAccess(who, a)
	}
	return Caller{who, a}, err
}

func (s *Server) findCaller(r *http.Request) (identity.Actor, error) {
	key, ok := parseBearer(r.Header.Values("Authorization"))
	if !ok {
		return identity.Actor{}, principal.ErrUnauthenticated
	}
	return s.FindKeyHolder(r.Context(), key)
}

// FindKeyHolder returns the holder of a key, and names them in the log line of the request.
func (s *Server) FindKeyHolder(ctx context.Context, key string) (identity.Actor, error) {
	x := exchangeOf(ctx)
	who, err := s.Authenticator.Authenticate(ctx, key, networkOf(x.address))
	x.actor = who
	return who, explainFailures(err)
}

// FindSession returns the session of a token, and names its holder in the log line of the request.
func (s *Server) FindSession(ctx context.Context, token string) (principal.Session, error) {
	x := exchangeOf(ctx)
	session, err := s.Authenticator.AuthenticateSession(ctx, token, networkOf(x.address))
	x.actor = session.Actor
	return session, explainFailures(err)
}

func explainFailures(err error) error {
	if errors.Is(err, principal.ErrTooManyFailures) {
		return api.Refuse(api.CodeRateLimited, "too many failed credentials from this address: wait a moment")
	}
	return err
}

// CheckAccess returns an error if an actor lacks the roles of an operation.
func CheckAccess(who identity.Actor, a Access) error {
	if len(a.Roles) > 0 && !principal.HasRole(who, a.Roles...) {
		return forbiddenProblem(who, a.Roles)
	}
	return nil
}

// parseBearer returns the key of the one Authorization header. A credential is read from nowhere else.
func parseBearer(headers []string) (string, bool) {
	if len(headers) != 1 {
		return "", false
	}
	scheme, key, ok := strings.Cut(headers[0], " ")
	return key, ok && strings.EqualFold(scheme, "Bearer")
}

// reload reads the caller again inside the transaction of the request. Authenticate caches a key for some seconds, which
// is too long for a write. For a decision, package approval reloads the caller.
func (c Caller) reload(tx *store.Tx) (identity.Actor, error) {
	if len(c.Access.Roles) == 0 {
		return c.Actor, nil
	}
	return reloadWithRoles(tx, c.Actor, c.Access.Roles)
}

// checkReplayAllowed returns an error if the caller lost the role that a decision needs. A replay shows the first answer.
// reload already checked the roles of every other operation.
func (c Caller) checkReplayAllowed(tx *store.Tx) error {
	if len(c.Access.DeciderRoles) == 0 {
		return nil
	}
	_, err := reloadWithRoles(tx, c.Actor, c.Access.DeciderRoles)
	return err
}

// reloadWithRoles reloads a principal. If the principal no longer has one of the roles, it returns an error.
func reloadWithRoles(tx *store.Tx, who identity.Actor, roles []api.Role) (identity.Actor, error) {
	who, err := principal.Reload(tx, who)
	if err == nil && !principal.HasRole(who, roles...) {
		err = forbiddenProblem(who, roles)
	}
	return who, err
}

func forbiddenProblem(who identity.Actor, roles []api.Role) *api.Problem {
	p := api.Refuse(api.CodeForbidden, "%s lacks the role %s", who.ID, roles[0])
	p.Principal, p.RequiredRoles = who.ID, roles
	return p
}
