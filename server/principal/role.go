package principal

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// HasRole reports whether an actor has any of the roles. Every role reads as viewer does; no role implies another.
func HasRole(a identity.Actor, roles ...api.Role) bool {
	return slices.ContainsFunc(roles, func(r api.Role) bool {
		return slices.Contains(a.Roles, string(r)) || (r == api.RoleViewer && len(a.Roles) > 0)
	})
}

// RolesOf returns the roles of an actor.
func RolesOf(a identity.Actor) []api.Role {
	roles := make([]api.Role, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = api.Role(r)
	}
	return roles
}

func roleTexts(roles []api.Role) []string {
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = string(r)
	}
	return texts
}
