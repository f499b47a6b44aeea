package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// replayLifetime is how long an answer is stored for a retry.
const replayLifetime = 24 * time.Hour

// Retry identifies a request. A caller that got no answer may repeat the request with the same key, and gets the first
// answer. The answer and the effect of a request are stored in one transaction.
type Retry struct {
	Key    string // from the caller; without a key, the request is never a retry
	Target string // method and path
	Body   []byte
}

// fingerprint returns a hash of the request and the accountable person. A new owner of a service gives other hashes.
func (r Retry) fingerprint(accountable string) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n", accountable, r.Target)
	hash.Write(r.Body)
	return hex.EncodeToString(hash.Sum(nil))
}

// replay is a row of the table replays.
type replay struct {
	Fingerprint string
	Answer      string // empty while the request runs
}

// WriteOnce is Write, but runs a request only once. If the request is a retry, WriteOnce returns the first answer.
func WriteOnce[T any](ctx context.Context, db *store.Store, r Retry, f func(*store.Tx, identity.Actor) (T, error)) (T, error) {
	if r.Key == "" {
		return Write(ctx, db, f)
	}
	caller := CallerOf(ctx)
	return Write(ctx, db, func(tx *store.Tx, who identity.Actor) (T, error) {
		var result T
		fingerprint := r.fingerprint(who.Accountable())
		first, err := claimKey(tx, who, r.Key, fingerprint)
		if err != nil {
			return result, err
		}
		if !first {
			if err := caller.checkReplayAllowed(tx); err != nil {
				return result, err
			}
			return readAnswer[T](tx, who, r.Key, fingerprint)
		}
		if result, err = f(tx, who); err != nil {
			// A kept refusal commits what it recorded. The key is released, so that a retry runs again.
			if store.IsKept(err) {
				if failed := releaseKey(tx, who, r.Key); failed != nil {
					return result, failed
				}
			}
			return result, err
		}
		return result, storeAnswer(tx, who, r.Key, result)
	})
}

// claimKey claims the key for this request. If another transaction holds the key, claimKey waits at most five seconds.
func claimKey(tx *store.Tx, who identity.Actor, key, fingerprint string) (first bool, err error) {
	if err := tx.LockTimeout(5 * time.Second); err != nil {
		return false, err
	}
	var row replay
	first, err = tx.Find(&row, `INSERT INTO replays (principal_id, idempotency_key, fingerprint, answer, expires_at) VALUES (?, ?, ?, '', ?)
		ON CONFLICT (principal_id, idempotency_key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = '', expires_at = excluded.expires_at
		WHERE replays.expires_at <= ? RETURNING *`, who.ID, key, fingerprint, tx.Now.Add(replayLifetime), tx.Now)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "55P03" { // lock_not_available
		return false, api.Refuse(api.CodeRequestInProgress, "the first request with this Idempotency-Key is still running: try again")
	}
	return first, err
}

// readAnswer returns the first answer with this key. If the first request was another one, it returns an error.
func readAnswer[T any](tx *store.Tx, who identity.Actor, key, fingerprint string) (T, error) {
	var result T
	var row replay
	found, err := tx.Find(&row, "SELECT * FROM replays WHERE principal_id = ? AND idempotency_key = ?", who.ID, key)
	switch {
	case err != nil:
		return result, fmt.Errorf("look up the stored answer: %w", err)
	case !found || row.Answer == "":
		return result, api.Refuse(api.CodeRequestInProgress, "the first request with this Idempotency-Key is still running: try again")
	case row.Fingerprint != fingerprint:
		return result, api.Refuse(api.CodeIdempotencyKeyReused, "this Idempotency-Key was used for another request: take a new one for each")
	}
	return result, json.Unmarshal([]byte(row.Answer), &result)
}

func storeAnswer(tx *store.Tx, who identity.Actor, key string, result any) error {
	var answer strings.Builder
	encoder := json.NewEncoder(&answer)
	encoder.SetEscapeHTML(false) // a replay has the same bytes
	if err := encoder.Encode(result); err != nil {
		return fmt.Errorf("store the answer: %w", err)
	}
	var row replay
	err := tx.Must(&row, "UPDATE replays SET answer = ? WHERE principal_id = ? AND idempotency_key = ? RETURNING *", answer.String(), who.ID, key)
	if err != nil {
		return fmt.Errorf("store the answer: %w", err)
	}
	return nil
}

func releaseKey(tx *store.Tx, who identity.Actor, key string) error {
	return tx.DB.Exec("DELETE FROM replays WHERE principal_id = ? AND idempotency_key = ?", who.ID, key).Error
}

// ForgetReplays deletes up to limit expired answers.
func ForgetReplays(ctx context.Context, db *store.Store, limit int) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		return tx.DB.Exec(`DELETE FROM replays WHERE (principal_id, idempotency_key) IN
			(SELECT principal_id, idempotency_key FROM replays WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`, tx.Now, limit).Error
	})
}
