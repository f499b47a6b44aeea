package principal

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// How long an authenticated key is believed without asking the database, so that reading costs no look-up. Whatever
// writes asks again, in its transaction: see Now, and the approval room for decisions.
const believedFor = 3 * time.Second

const maxBelieved = 10_000

// Authenticator tells who presents a key.
type Authenticator struct {
	store *store.Store

	mu       sync.Mutex
	believed map[[sha256.Size]byte]belief
}

type belief struct {
	actor identity.Actor
	until time.Time // on this machine's own clock
}

// NewAuthenticator makes an Authenticator on a store.
func NewAuthenticator(s *store.Store) *Authenticator {
	return &Authenticator{store: s, believed: map[[sha256.Size]byte]belief{}}
}

// Authenticate returns the actor who holds the presented key; ErrUnauthenticated when there is none.
func (a *Authenticator) Authenticate(ctx context.Context, presented string) (identity.Actor, error) {
	hash := sha256.Sum256([]byte(presented))
	if actor, ok := a.remembered(hash); ok {
		return actor, nil
	}
	var actor identity.Actor
	err := a.store.Read(ctx, func(tx *store.Tx) error {
		holder, err := HolderOf(tx, presented)
		if err != nil {
			return err
		}
		actor, err = holder.Actor(tx.Now)
		return err
	})
	if err != nil {
		return identity.Actor{}, err
	}
	a.remember(hash, actor)
	return actor, nil
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
