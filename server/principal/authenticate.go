package principal

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// How long an authenticated key is believed without asking the database, so that reading costs no look-up. Whatever
// writes asks again, in its transaction: see Now, and the approval room for decisions.
const believedFor = 3 * time.Second

const maxBelieved = 10_000

// An address may fail this often. If it failed lately, its look-ups share a few slots with those of others like it, so
// that they cannot take all connections of the database.
const (
	failuresPerSecond = 5
	failuresAtOnce    = 30
	slotsOfFailing    = 2
)

// ErrTooManyFailures says that an address failed too often: ErrUnauthenticated, and a reason to wait.
var ErrTooManyFailures = errors.New("too many failed credentials from this address")

// Authenticator tells who presents a key, and slows down the addresses that try keys. A good key is never refused.
type Authenticator struct {
	store    *store.Store
	failures *ratelimit.Limiter
	slots    chan struct{}

	mu       sync.Mutex
	believed map[[sha256.Size]byte]belief
}

type belief struct {
	actor identity.Actor
	until time.Time // on this machine's own clock
}

// NewAuthenticator makes an Authenticator on a store.
func NewAuthenticator(s *store.Store) *Authenticator {
	return &Authenticator{
		store: s, failures: ratelimit.New(failuresPerSecond, failuresAtOnce), slots: make(chan struct{}, slotsOfFailing),
		believed: map[[sha256.Size]byte]belief{},
	}
}

// Authenticate returns the actor who holds the key that an address presents. If there is none, it returns
// ErrUnauthenticated, or ErrTooManyFailures.
func (a *Authenticator) Authenticate(ctx context.Context, presented, address string) (identity.Actor, error) {
	hash := sha256.Sum256([]byte(presented))
	if actor, ok := a.remembered(hash); ok {
		return actor, nil
	}
	actor, err := a.lookUp(ctx, presented, address)
	switch {
	case errors.Is(err, ErrUnauthenticated) && !a.failures.Allow(address):
		return identity.Actor{}, ErrTooManyFailures
	case err != nil:
		return identity.Actor{}, err
	}
	a.remember(hash, actor)
	return actor, nil
}

// lookUp asks the database for the holder of a key. What is no key costs nothing, and an address that failed
// lately waits for a slot.
func (a *Authenticator) lookUp(ctx context.Context, presented, address string) (actor identity.Actor, err error) {
	if !keyFormat.MatchString(presented) {
		return actor, ErrUnauthenticated
	}
	if !a.failures.IsFresh(address) {
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
		case <-ctx.Done():
			return actor, ctx.Err()
		}
	}
	err = a.store.Query(ctx, func(tx *store.Tx) error {
		holder, err := HolderOf(tx, presented)
		if err != nil {
			return err
		}
		actor, err = holder.Actor(tx.Now)
		return err
	})
	return actor, err
}

func (a *Authenticator) remembered(hash [sha256.Size]byte) (identity.Actor, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.believed[hash]
	if !ok || time.Now().After(b.until) || (b.actor.KeyExpiresAt != nil && !a.store.Now().Before(*b.actor.KeyExpiresAt)) {
		delete(a.believed, hash)
		return identity.Actor{}, false
	}
	return b.actor, true
}

func (a *Authenticator) remember(hash [sha256.Size]byte, actor identity.Actor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.believed) >= maxBelieved {
		clear(a.believed)
	}
	a.believed[hash] = belief{actor, time.Now().Add(believedFor)}
}
