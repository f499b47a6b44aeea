// Package series keeps metrics bounded: a label whose values callers can invent has so many series and no more.
package series

import "sync"

// Most is how many values a bounded label has; further ones share Other.
const Most = 1000

// Other is the value of all that came too late.
const Other = "other"

// Bounded remembers the first values of a label. The zero Bounded is ready.
type Bounded struct {
	mu   sync.Mutex
	seen map[string]bool
}

// Label is the value itself, or Other when there are too many.
func (b *Bounded) Label(value string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	if !b.seen[value] {
		if len(b.seen) >= Most {
			return Other
		}
		b.seen[value] = true
	}
	return value
}
