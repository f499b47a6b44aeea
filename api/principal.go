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
	ID           string        `json:"id" doc:"Handle of the caller."`
	Kind         PrincipalKind `json:"kind"`
	Owner        *string       `json:"owner" doc:"Human who owns the service; null for a human."`
	Accountable  string        `json:"accountable" doc:"Person who is accountable for what the caller requests."`
	Roles        []Role        `json:"roles"`
	KeyID        string        `json:"key_id" doc:"Id of the key that the request was made with."`
	KeyExpiresAt *time.Time    `json:"key_expires_at" doc:"When that key expires; null for never."`
}

// Principal is a person or a service. Only commands on the database write one.
type Principal struct {
	ID         string        `json:"id" doc:"Handle of the principal. It never changes."`
	Kind       PrincipalKind `json:"kind" enum:"human,service"`
	Owner      *string       `json:"owner" doc:"Human who owns the service; null for a human."`
	Roles      []Role        `json:"roles"`
	DisabledAt *time.Time    `json:"disabled_at" doc:"When the principal was disabled; null if it may act."`
	Keys       []APIKey      `json:"keys" doc:"Keys, oldest first, with those that are revoked or expired."`
	CreatedAt  time.Time     `json:"created_at"`
	UpdatedAt  time.Time     `json:"updated_at"`
}

// APIKey is a credential of a principal, without its secret.
type APIKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name" doc:"Name of the key."`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at" doc:"When the key expires; null for never."`
	RevokedAt *time.Time `json:"revoked_at" doc:"When the key was revoked; null if it was not."`
}
