package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// pageSize is how many objects one statement of a tick reads.
const pageSize = 500

// notice is a message that time brings. It is told once, by whichever server comes first.
type notice struct {
	key   string
	until time.Time // when what the key names is over
	write func(tx *store.Tx) error
}

// Remind writes the reminders that are due.
func (n *Notifier) Remind(ctx context.Context) error {
	return n.tellAll(ctx, func(tx *store.Tx, after store.Cursor) ([]notice, store.Cursor, error) {
		waiting, err := approval.ListDeadlines(tx, after, pageSize)
		if err != nil || len(waiting) == 0 {
			return nil, store.Cursor{}, err
		}
		var due []notice
		for _, w := range waiting {
			if part := n.dueReminder(w, tx.Now); part > 0 {
				due = append(due, notice{"reminder/" + w.ID + "/" + part.String(), w.ExpiresAt, func(tx *store.Tx) error { return remind(tx, w.ID, part) }})
			}
		}
		last := waiting[len(waiting)-1]
		return due, store.Cursor{At: last.CreatedAt, ID: last.ID}, nil
	})
}

// dueReminder returns the latest reminder whose time has come; 0 if none has.
func (n *Notifier) dueReminder(w approval.Deadline, now time.Time) Fraction {
	passed, all := now.Sub(w.CreatedAt), w.ExpiresAt.Sub(w.CreatedAt)
	var due Fraction
	for _, f := range n.reminders {
		if f > due && passed >= time.Duration(float64(all)*float64(f)/100) {
			due = f
		}
	}
	return due
}

func remind(tx *store.Tx, id string, part Fraction) error {
	a, found, err := approval.Share(tx, id)
	if err != nil || !found || a.State != api.ApprovalPending {
		return err
	}
	return approval.AppendMessage(tx, a, outbox.ApprovalReminder, part.String())
}

const day = 24 * time.Hour

// horizons are the times before the end of a leaf at which it is told, longest first.
var horizons = []struct {
	name   string
	before time.Duration
}{{"30d", 30 * day}, {"7d", 7 * day}, {"1d", day}}

// shortHorizon is the horizon of a leaf that is too short for the others: a sixth of its lifetime is left.
const shortHorizon = "1/6"

// dueHorizon returns the shortest horizon that a leaf has reached; empty if it has reached none. A horizon counts for leaves
// that live three times as long: the scheduler renews when a third of the lifetime is left.
func dueHorizon(e certificate.Expiring, now time.Time) string {
	lifetime, left := e.NotAfter.Sub(e.NotBefore), e.NotAfter.Sub(now)
	due, fits := "", false
	for _, h := range horizons {
		if lifetime+time.Hour < 3*h.before { // a leaf of 90 days ends a second earlier
			continue
		}
		fits = true
		if left <= h.before {
			due = h.name
		}
	}
	if !fits && left <= lifetime/6 {
		return shortHorizon
	}
	return due
}

// TellExpiring writes the messages about leaves that end soon.
func (n *Notifier) TellExpiring(ctx context.Context) error {
	return n.tellAll(ctx, func(tx *store.Tx, after store.Cursor) ([]notice, store.Cursor, error) {
		expiring, err := certificate.ListExpiring(tx, horizons[0].before, after, pageSize)
		if err != nil || len(expiring) == 0 {
			return nil, store.Cursor{}, err
		}
		var due []notice
		for _, e := range expiring {
			if horizon := dueHorizon(e, tx.Now); horizon != "" {
				due = append(due, notice{"expiring/" + e.SerialNumber + "/" + horizon, e.NotAfter, func(tx *store.Tx) error { return tellExpiring(tx, e, horizon) }})
			}
		}
		return due, expiring[len(expiring)-1].Cursor(), nil
	})
}

func tellExpiring(tx *store.Tx, e certificate.Expiring, horizon string) error {
	if current, err := e.IsCurrent(tx); err != nil || !current {
		return err
	}
	return outbox.Append(tx, outbox.Message{
		Type: outbox.CertificateExpiring, About: e.UID, Topic: e.ProfileID, MayGather: true,
		Data: outbox.ExpiringLeaf{
			CertificateID: e.ID, ProfileID: e.ProfileID, SerialNumber: e.SerialNumber, NotAfter: e.NotAfter, Horizon: horizon,
			Names: e.SANs.V[:min(len(e.SANs.V), maxNames)], NameCount: len(e.SANs.V),
		},
	})
}

// TellBypass writes that a process approves every request without a person; at most once an hour.
func TellBypass(tx *store.Tx) error {
	first, err := outbox.MarkTold(tx, "bypass", tx.Now.Add(time.Hour))
	if err != nil || !first {
		return err
	}
	return outbox.Append(tx, outbox.Message{Type: outbox.BypassEnabled})
}

// tellAll writes what list finds, page by page, unless it was told before. Each message has a transaction of its own, so one
// that fails stops no other; tellAll returns the first such error at its end. Without a receiver it does nothing.
func (n *Notifier) tellAll(ctx context.Context, list func(*store.Tx, store.Cursor) ([]notice, store.Cursor, error)) error {
	var failed []error
	var after store.Cursor
	for ctx.Err() == nil {
		due, next, err := n.listDue(ctx, after, list)
		if err != nil {
			return err
		}
		for _, one := range due {
			if err := n.tell(ctx, one); err != nil {
				failed = append(failed, fmt.Errorf("tell %s: %w", one.key, err))
			}
		}
		if next == (store.Cursor{}) {
			break
		}
		after = next
	}
	return errors.Join(failed...)
}

// listDue lists a page of what is due and was not told.
func (n *Notifier) listDue(ctx context.Context, after store.Cursor, list func(*store.Tx, store.Cursor) ([]notice, store.Cursor, error)) (due []notice, next store.Cursor, err error) {
	err = n.store.Read(ctx, func(tx *store.Tx) error {
		some, err := outbox.HasReceivers(tx)
		if err != nil || !some {
			return err
		}
		found, cursor, err := list(tx, after)
		if err != nil || len(found) == 0 {
			next = cursor
			return err
		}
		keys := make([]string, len(found))
		for i, one := range found {
			keys[i] = one.key
		}
		told, err := outbox.ListTold(tx, keys)
		for _, one := range found {
			if !told[one.key] {
				due = append(due, one)
			}
		}
		next = cursor
		return err
	})
	return due, next, err
}

func (n *Notifier) tell(ctx context.Context, one notice) error {
	return n.store.Write(ctx, func(tx *store.Tx) error {
		some, err := outbox.HasReceivers(tx)
		if err != nil || !some {
			return err
		}
		first, err := outbox.MarkTold(tx, one.key, one.until)
		if err != nil || !first {
			return err
		}
		return one.write(tx)
	})
}

// Reap ends messages that nobody delivers, deletes old ones, and forgets receivers that no server delivers to.
func (n *Notifier) Reap(ctx context.Context) error {
	ended, err := n.outbox.Reap(ctx, n.names())
	if ended > 0 {
		n.log.ErrorContext(ctx, "messages ended that were not delivered within a day: see certctl notify failed", "messages", ended)
	}
	return err
}
