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

// cachedFor is how long the cache answers for a key, so that most reads need no look-up of the key. Every write reads
// the key again in its transaction: see Reload.
const cachedFor = 3 * time.Second

// A full cache is emptied.
const maxCached = 10_000

// An address may fail this often. All addresses that failed lately share a few slots for look-ups. So they cannot take
// all connections of the database.
const (
	failuresPerSecond = 5
	failuresAtOnce    = 30
	failingSlots      = 2
)

// ErrTooManyFailures is returned in place of ErrUnauthenticated if an address failed too often.
var ErrTooManyFailures = errors.New("too many failed credentials from this address")

// Authenticator finds the holder of a key, and slows down addresses that try keys. A valid key is never refused.
type Authenticator struct {
	store    *store.Store
	failures *ratelimit.Limiter
	slots    chan struct{}

	mu    sync.Mutex
	cache map[[sha256.Size]byte]cacheEntry // by the SHA-256 of the key
}

// cacheEntry is the holder of a key, as the database had it.
type cacheEntry struct {
	actor identity.Actor
	until time.Time // by this machine's clock, not the database's
}

// NewAuthenticator makes an Authenticator on a store.
func NewAuthenticator(s *store.Store) *Authenticator {
	return &Authenticator{
		store: s, failures: ratelimit.New(failuresPerSecond, failuresAtOnce), slots: make(chan struct{}, failingSlots),
		cache: map[[sha256.Size]byte]cacheEntry{},
	}
}

// Authenticate returns the holder of the key that an address presents. If the key is not valid, Authenticate returns
// ErrUnauthenticated or ErrTooManyFailures.
func (a *Authenticator) Authenticate(ctx context.Context, presented, address string) (identity.Actor, error) {
	hash := sha256.Sum256([]byte(presented))
	if actor, ok := a.findCached(hash); ok {
		return actor, nil
	}
	var actor identity.Actor
	err := a.tryCredential(ctx, address, keyFormat.MatchString(presented), func(tx *store.Tx) error {
		h, err := verifyKey(tx, presented)
		if err != nil {
			return err
		}
		actor, err = h.toActor(tx.Now)
		return err
	})
	if err != nil {
		return identity.Actor{}, err
	}
	a.cacheActor(hash, actor)
	return actor, nil
}

// tryCredential looks up a credential that an address presents: find makes one SELECT. If the credential is not valid, it
// counts as a failure of the address.
func (a *Authenticator) tryCredential(ctx context.Context, address string, wellFormed bool, find func(*store.Tx) error) error {
	err := a.lookUp(ctx, address, wellFormed, find)
	if errors.Is(err, ErrUnauthenticated) && !a.failures.Allow(address) {
		return ErrTooManyFailures
	}
	return err
}

// lookUp runs find. A malformed credential costs no statement. If the address failed lately, lookUp waits for a slot.
func (a *Authenticator) lookUp(ctx context.Context, address string, wellFormed bool, find func(*store.Tx) error) error {
	if !wellFormed {
		return ErrUnauthenticated
	}
	if !a.failures.IsFresh(address) {
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return a.store.Query(ctx, find)
}

// findCached returns a holder from the cache; false if the entry or the key has expired.
func (a *Authenticator) findCached(hash [sha256.Size]byte) (identity.Actor, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	entry, found := a.cache[hash]
	if !found || time.Now().After(entry.until) || (entry.actor.KeyExpiresAt != nil && !a.store.Now().Before(*entry.actor.KeyExpiresAt)) {
		delete(a.cache, hash)
		return identity.Actor{}, false
	}
	return entry.actor, true
}

func (a *Authenticator) cacheActor(hash [sha256.Size]byte, actor identity.Actor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cache) >= maxCached {
		clear(a.cache)
	}
	a.cache[hash] = cacheEntry{actor, time.Now().Add(cachedFor)}
}
