package api

import "time"

// Role is something a principal may do. No role implies another; all of them read as viewer does.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"   // reads all but audit
	RoleAuditor  Role = "auditor"  // reads all
	RoleOperator Role = "operator" // writes profiles and certificates, renews, withdraws
	RoleApprover Role = "approver" // decides; humans only
	RoleAdmin    Role = "admin"    // reads principals
)

// PrincipalKind tells people from programs.
type PrincipalKind string

// The kinds of principal.
const (
	KindHuman   PrincipalKind = "human"
	KindService PrincipalKind = "service"
)

// Me says who the caller is.
type Me struct {
	ID           string        `json:"id"`
	Kind         PrincipalKind `json:"kind"`
	Owner        *string       `json:"owner" doc:"the human who owns this service; null for a human"`
	Accountable  string        `json:"accountable" doc:"the person who stands behind the caller's requests"`
	Roles        []Role        `json:"roles"`
	KeyID        string        `json:"key_id"`
	KeyExpiresAt *time.Time    `json:"key_expires_at"`
}

// Principal is a person or a service. Only commands on the database write one.
type Principal struct {
	ID         string        `json:"id"`
	Kind       PrincipalKind `json:"kind" enum:"human,service"`
	Owner      *string       `json:"owner" doc:"the human who owns this service; null for a human"`
	Roles      []Role        `json:"roles"`
	DisabledAt *time.Time    `json:"disabled_at" doc:"null: may act, if a service's owner may"`
	Keys       []APIKey      `json:"keys" doc:"oldest first, revoked and expired ones included"`
	CreatedAt  time.Time     `json:"created_at"`
	UpdatedAt  time.Time     `json:"updated_at"`
}

// APIKey is a credential of a principal, without its secret.
type APIKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: never"`
	RevokedAt *time.Time `json:"revoked_at"`
}
