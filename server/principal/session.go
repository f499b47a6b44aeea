package principal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A session ends after sessionIdle without a request, and after sessionLifetime.
const (
	sessionIdle     = time.Hour
	sessionLifetime = 12 * time.Hour
	sessionTouch    = time.Minute // a use is stored at most this often
)

// A token has 256 random bits.
var tokenFormat = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// Session is a person who is signed in to the console. It belongs to a key: the person may do what the key may do, as long
// as the key may do it.
type Session struct {
	Actor identity.Actor
	// Draft is what the person wrote when the session before this one ended.
	Draft Draft

	tokenSHA256 string
	usedAt      time.Time
}

// Draft is a note that was written on a page and not sent.
type Draft struct{ Path, Note string }

// sessionRow is a row of sessions, with the holder of the key.
type sessionRow struct {
	Holder      holder `gorm:"embedded"`
	TokenSHA256 string `gorm:"column:token_sha256"`
	DraftPath   string
	DraftNote   string
	UsedAt      time.Time
	ExpiresAt   time.Time
}

const sessionQuery = `SELECT s.token_sha256, s.draft_path, s.draft_note, s.used_at, s.expires_at, ` + holderColumns + `
	FROM sessions s, ` + holderTables + ` WHERE k.id = s.key_id AND s.token_sha256 = ?`

// StartSession starts a session for a person, and returns its token. The token is not stored, so it cannot be read again.
// If the person may no longer act, StartSession returns ErrUnauthenticated. A service gets a problem.
func StartSession(tx *store.Tx, who identity.Actor, draft Draft) (token string, err error) {
	if who, err = Reload(tx, who); err != nil {
		return "", err
	}
	if who.Kind != identity.Human {
		return "", api.Refuse(api.CodeHumanRequired, "%s is a service: only a person may sign in", who.ID)
	}
	random := make([]byte, 32)
	rand.Read(random)
	token = base64.RawURLEncoding.EncodeToString(random)
	err = tx.DB.Exec("INSERT INTO sessions (token_sha256, key_id, draft_path, draft_note, created_at, used_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		hashSecret(token), who.KeyID, draft.Path, draft.Note, tx.Now, tx.Now, tx.Now.Add(sessionLifetime)).Error
	if err != nil {
		return "", fmt.Errorf("store the session: %w", err)
	}
	return token, nil
}

// AuthenticateSession returns the session of a token that an address presents. If the session has ended, it returns
// ErrUnauthenticated or ErrTooManyFailures, as Authenticate does.
func (a *Authenticator) AuthenticateSession(ctx context.Context, token, address string) (Session, error) {
	var row sessionRow
	err := a.tryCredential(ctx, address, tokenFormat.MatchString(token), func(tx *store.Tx) error {
		_, err := tx.Find(&row, sessionQuery, hashSecret(token))
		if err != nil {
			return fmt.Errorf("look up the session: %w", err)
		}
		if !tx.Now.Before(row.ExpiresAt) || !tx.Now.Before(row.UsedAt.Add(sessionIdle)) {
			return ErrUnauthenticated
		}
		_, err = row.Holder.toActor(tx.Now)
		return err
	})
	if err != nil {
		return Session{}, err
	}
	s := Session{Draft: Draft{row.DraftPath, row.DraftNote}, tokenSHA256: row.TokenSHA256, usedAt: row.UsedAt}
	s.Actor, err = row.Holder.toActor(a.store.Now())
	return s, err
}

// Touch stores that a session is used.
func (s Session) Touch(ctx context.Context, db *store.Store) error {
	if db.Now().Before(s.usedAt.Add(sessionTouch)) {
		return nil
	}
	return db.Write(ctx, func(tx *store.Tx) error {
		return tx.DB.Exec("UPDATE sessions SET used_at = ? WHERE token_sha256 = ? AND used_at < ?", tx.Now, s.tokenSHA256, tx.Now).Error
	})
}

// EndSession ends the session of a token. If there is none, EndSession does nothing.
func EndSession(tx *store.Tx, token string) error {
	return tx.DB.Exec("DELETE FROM sessions WHERE token_sha256 = ?", hashSecret(token)).Error
}

// ForgetSessions deletes up to limit sessions that ended. A session that reached its lifetime is idle from then on.
func ForgetSessions(ctx context.Context, db *store.Store, limit int) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		return tx.DB.Exec(`DELETE FROM sessions WHERE token_sha256 IN
			(SELECT token_sha256 FROM sessions WHERE used_at <= ? ORDER BY used_at LIMIT ?)`, tx.Now.Add(-sessionIdle), limit).Error
	})
}
