package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// How long an answer is kept for a retry.
const replayFor = 24 * time.Hour

// Once is part of the input of every POST: a caller that got no answer may send the same request again with the same
// key, and gets the answer that he missed. What the key did before is stored with its effect, in one transaction.
type Once struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"your own name for this request; sent again with the same key it is done once, for 24 hours"`

	target string // method and path
}

// Resolve implements huma.Resolver.
func (o *Once) Resolve(ctx huma.Context) []error {
	request := humagin.Unwrap(ctx).Request
	if len(request.Header.Values("Idempotency-Key")) > 1 {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "given more than once"}}
	}
	if fault := rules.LineFault(o.IdempotencyKey); fault != "" {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: fault}}
	}
	o.target = request.Method + " " + request.URL.RequestURI()
	return nil
}

// fingerprint tells one request from another. If a service has a new owner, the requests of the former owner are others.
func (o *Once) fingerprint(accountable string, body []byte) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n", accountable, o.target)
	hash.Write(body)
	return hex.EncodeToString(hash.Sum(nil))
}

// replay is a row of the answers that are kept.
type replay struct {
	Fingerprint string
	Answer      string // empty while the request runs
}

// once is write for a POST: with a key, what was done before is not done again.
func once[T any](ctx context.Context, s *server, o *Once, body []byte, f func(*store.Tx, identity.Actor) (T, error)) (T, error) {
	if o.IdempotencyKey == "" {
		return write(ctx, s, f)
	}
	return write(ctx, s, func(tx *store.Tx, who identity.Actor) (T, error) {
		var result T
		fingerprint := o.fingerprint(who.Accountable(), body)
		first, err := begin(tx, who, o.IdempotencyKey, fingerprint)
		if err != nil {
			return result, err
		}
		if !first {
			if err := mayHearAgain(tx, who); err != nil {
				return result, err
			}
			return again[T](tx, who, o.IdempotencyKey, fingerprint)
		}
		if result, err = f(tx, who); err != nil {
			// A refusal is not kept, though it may have recorded something that is.
			if store.IsKept(err) {
				if failed := forget(tx, who, o.IdempotencyKey); failed != nil {
					return result, failed
				}
			}
			return result, err
		}
		return result, keep(tx, who, o.IdempotencyKey, result)
	})
}

// mayHearAgain refuses the answer of a decision to who could not make it any more; anyone else was looked at already.
func mayHearAgain(tx *store.Tx, who identity.Actor) error {
	required, _ := tx.Context().Value(requiredKey{}).(access)
	if len(required.inRoom) == 0 {
		return nil
	}
	_, err := holding(tx, who, required.inRoom)
	return err
}

// begin claims the key. While another transaction has it, this one waits, five seconds at most.
func begin(tx *store.Tx, who identity.Actor, key, fingerprint string) (first bool, err error) {
	if err := tx.LockTimeout(5 * time.Second); err != nil {
		return false, err
	}
	var row replay
	first, err = tx.Guarded(&row, `INSERT INTO replays (principal_id, idempotency_key, fingerprint, answer, expires_at) VALUES (?, ?, ?, '', ?)
		ON CONFLICT (principal_id, idempotency_key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = '', expires_at = excluded.expires_at
		WHERE replays.expires_at <= ? RETURNING *`, who.ID, key, fingerprint, tx.Now.Add(replayFor), tx.Now)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "55P03" { // lock_not_available
		return false, api.Refuse(api.CodeRequestInProgress, "the first request with this Idempotency-Key is still running: try again")
	}
	return first, err
}

// again gives the answer of the first request with the key, if this is the same request.
func again[T any](tx *store.Tx, who identity.Actor, key, fingerprint string) (T, error) {
	var result T
	var row replay
	found, err := tx.Find(&row, "SELECT * FROM replays WHERE principal_id = ? AND idempotency_key = ?", who.ID, key)
	switch {
	case err != nil:
		return result, fmt.Errorf("look up the kept answer: %w", err)
	case !found || row.Answer == "":
		return result, api.Refuse(api.CodeRequestInProgress, "the first request with this Idempotency-Key is still running: try again")
	case row.Fingerprint != fingerprint:
		return result, api.Refuse(api.CodeIdempotencyKeyReused, "this Idempotency-Key was used for another request: take a new one for each")
	}
	return result, json.Unmarshal([]byte(row.Answer), &result)
}

func keep(tx *store.Tx, who identity.Actor, key string, result any) error {
	var answer strings.Builder
	encoder := json.NewEncoder(&answer)
	encoder.SetEscapeHTML(false) // an answer comes again to the letter
	if err := encoder.Encode(result); err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	return tx.DB.Exec("UPDATE replays SET answer = ? WHERE principal_id = ? AND idempotency_key = ?", answer.String(), who.ID, key).Error
}

func forget(tx *store.Tx, who identity.Actor, key string) error {
	return tx.DB.Exec("DELETE FROM replays WHERE principal_id = ? AND idempotency_key = ?", who.ID, key).Error
}

// ForgetReplays deletes up to limit answers whose time is over.
func ForgetReplays(ctx context.Context, db *store.Store, limit int) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		return tx.DB.Exec(`DELETE FROM replays WHERE (principal_id, idempotency_key) IN
			(SELECT principal_id, idempotency_key FROM replays WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`, tx.Now, limit).Error
	})
}
