package principal

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Key is a credential of a principal, without its secret.
type Key struct {
	ID           string
	PrincipalID  string
	Name         string
	SecretSHA256 string
	CreatedAt    time.Time
	ExpiresAt    *time.Time
	RevokedAt    *time.Time
}

// TableName implements gorm's Tabler.
func (Key) TableName() string { return "keys" }

// A key has the form ctl_<key id>_<secret>. The secret has 256 random bits.
var keyFormat = regexp.MustCompile(`^ctl_([a-z0-9]{16})_([A-Za-z0-9_-]{43})$`)

const maxNameLength = 255

func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// CreateKey makes a key and returns it with its secret. The secret is not stored, so it cannot be read again. If the
// lifetime is 0, the key does not expire.
func CreateKey(tx *store.Tx, principalID, name string, lifetime time.Duration) (string, error) {
	p, err := lock(tx, principalID)
	if err != nil {
		return "", err
	}
	if p.DisabledAt != nil {
		return "", fmt.Errorf("%q is disabled: enable the principal first, with principal enable", principalID)
	}
	if n := utf8.RuneCountInString(name); n > maxNameLength {
		return "", fmt.Errorf("the name of the key has %d characters; at most %d are allowed", n, maxNameLength)
	}
	if fault := rules.LineFault(name); fault != "" {
		return "", fmt.Errorf("the name of the key %s", fault)
	}
	random := make([]byte, 32)
	rand.Read(random)
	secret := base64.RawURLEncoding.EncodeToString(random)
	row := Key{
		ID: store.NewID(""), PrincipalID: principalID, Name: name, SecretSHA256: hashSecret(secret), CreatedAt: tx.Now,
	}
	if lifetime > 0 {
		expires := tx.Now.Add(lifetime)
		row.ExpiresAt = &expires
	}
	if err := tx.DB.Create(&row).Error; err != nil {
		return "", fmt.Errorf("store the key: %w", err)
	}
	return "ctl_" + row.ID + "_" + secret, appendAudit(tx, "key_created", "key", row.ID, audit.Details{"principal": principalID})
}

// ListKeys lists all keys, oldest first.
func ListKeys(tx *store.Tx) ([]Key, error) {
	var rows []Key
	err := tx.DB.Order("created_at, id").Find(&rows).Error
	return rows, err
}

var keyIDFormat = regexp.MustCompile(`^[a-z0-9]{16}$`)

// RevokeKey revokes a key, given its id or the whole key. Revoking a revoked key changes nothing. The argument may be a
// secret, so an error repeats it only if it has the form of an id.
func RevokeKey(tx *store.Tx, id string) error {
	if parts := keyFormat.FindStringSubmatch(id); parts != nil {
		id = parts[1]
	}
	if !keyIDFormat.MatchString(id) {
		return errors.New("this is neither the id of a key nor a key: find the id with key list")
	}
	var row Key
	revoked, err := tx.Guarded(&row, "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING *", tx.Now, id)
	if err != nil {
		return err
	}
	if revoked {
		return appendAudit(tx, "key_revoked", "key", row.ID, audit.Details{"principal": row.PrincipalID})
	}
	known, err := tx.Find(&row, "SELECT * FROM keys WHERE id = ?", id)
	if err == nil && !known {
		err = fmt.Errorf("there is no key %q: find the id with key list", id)
	}
	return err
}

// revokeKeys revokes every key of a principal and returns their ids.
func revokeKeys(tx *store.Tx, principalID, cause string) ([]string, error) {
	var revoked []string
	err := tx.DB.Raw("UPDATE keys SET revoked_at = ? WHERE principal_id = ? AND revoked_at IS NULL RETURNING id", tx.Now, principalID).Scan(&revoked).Error
	if err != nil {
		return nil, fmt.Errorf("revoke the keys of %s: %w", principalID, err)
	}
	slices.Sort(revoked)
	for _, id := range revoked {
		if err := appendAudit(tx, "key_revoked", "key", id, audit.Details{"principal": principalID, "cause": cause}); err != nil {
			return nil, err
		}
	}
	return revoked, nil
}

// holder is a key with its principal, and the owner if the principal is a service.
type holder struct {
	KeyID           string                 `gorm:"column:holder_key_id"`
	SecretSHA256    string                 `gorm:"column:holder_secret_sha256"`
	KeyExpiresAt    *time.Time             `gorm:"column:holder_key_expires_at"`
	KeyRevokedAt    *time.Time             `gorm:"column:holder_key_revoked_at"`
	ID              string                 `gorm:"column:holder_id"`
	Kind            string                 `gorm:"column:holder_kind"`
	Owner           *string                `gorm:"column:holder_owner"`
	Roles           store.JSON[[]api.Role] `gorm:"column:holder_roles"`
	DisabledAt      *time.Time             `gorm:"column:holder_disabled_at"`
	OwnerDisabledAt *time.Time             `gorm:"column:holder_owner_disabled_at"`
}

// holderColumns and holderTables find a holder. The key is k, its principal p, and the principal's owner o.
const (
	holderColumns = `k.id AS holder_key_id, k.secret_sha256 AS holder_secret_sha256,
		k.expires_at AS holder_key_expires_at, k.revoked_at AS holder_key_revoked_at,
		p.id AS holder_id, p.kind AS holder_kind, p.owner AS holder_owner, p.roles AS holder_roles,
		p.disabled_at AS holder_disabled_at, o.disabled_at AS holder_owner_disabled_at`
	holderTables = `keys k JOIN principals p ON p.id = k.principal_id LEFT JOIN principals o ON o.id = p.owner`
	holderQuery  = `SELECT ` + holderColumns + ` FROM ` + holderTables + ` WHERE k.id = ?`
)

// ErrUnauthenticated says that a key is missing, unknown, expired or revoked, or that its holder is disabled. The
// caller must not learn which.
var ErrUnauthenticated = errors.New("the key is not valid")

// toActor returns the holder as an actor. If the key is not valid at that time, or the holder or its owner is disabled,
// toActor returns ErrUnauthenticated.
func (h holder) toActor(now time.Time) (identity.Actor, error) {
	if h.ID == "" || h.KeyRevokedAt != nil || h.DisabledAt != nil || h.OwnerDisabledAt != nil ||
		(h.KeyExpiresAt != nil && !now.Before(*h.KeyExpiresAt)) {
		return identity.Actor{}, ErrUnauthenticated
	}
	actor := identity.Actor{
		ID: h.ID, Kind: identity.Kind(h.Kind), Roles: roleTexts(h.Roles.V), KeyID: h.KeyID, KeyExpiresAt: h.KeyExpiresAt,
	}
	if h.Owner != nil {
		actor.Owner = *h.Owner
	}
	return actor, nil
}

// verifyKey returns the holder of a presented key, or ErrUnauthenticated if the secret is wrong. It does not check
// whether the key expired or was revoked: see toActor.
func verifyKey(tx *store.Tx, presented string) (holder, error) {
	parts := keyFormat.FindStringSubmatch(presented)
	if parts == nil {
		return holder{}, ErrUnauthenticated
	}
	var h holder
	if _, err := tx.Find(&h, holderQuery, parts[1]); err != nil {
		return holder{}, fmt.Errorf("look up the key: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(h.SecretSHA256), []byte(hashSecret(parts[2]))) != 1 {
		return holder{}, ErrUnauthenticated
	}
	return h, nil
}

// Reload reads the caller's key and roles and locks them FOR SHARE, so revoking or disabling waits for this transaction.
// It locks the owner of a service too. If the caller may no longer act, Reload returns ErrUnauthenticated.
func Reload(tx *store.Tx, who identity.Actor) (identity.Actor, error) {
	var h holder
	if _, err := tx.Find(&h, holderQuery+tx.Locking("FOR SHARE OF k, p"), who.KeyID); err != nil {
		return identity.Actor{}, fmt.Errorf("look up %s: %w", who.ID, err)
	}
	now, err := h.toActor(tx.Now)
	if err == nil && now.Kind == identity.Service {
		err = RequireEnabled(tx, now.Owner)
	}
	return now, err
}

// RequireEnabled returns ErrUnauthenticated if a principal is disabled or absent. It locks the principal FOR SHARE, so
// disabling waits for this transaction. Disabling then finds the requests that this transaction made.
func RequireEnabled(tx *store.Tx, id string) error {
	var p Principal
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?"+tx.Locking("FOR SHARE"), id)
	if err != nil {
		return fmt.Errorf("look up %s: %w", id, err)
	}
	if !found || p.DisabledAt != nil {
		return ErrUnauthenticated
	}
	return nil
}
