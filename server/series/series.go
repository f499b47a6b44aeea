// Package series bounds the number of series of a metric whose label has values that callers invent.
package series

import "sync"

// MaxValues is how many values a bounded label has. All further ones share Other.
const MaxValues = 1000

// Other is the label of the values beyond MaxValues.
const Other = "other"

// Bounded is a label that keeps its first values. The zero Bounded is ready for use.
type Bounded struct {
	mu   sync.Mutex
	seen map[string]bool
}

// Label returns the value, or Other if there are too many.
func (b *Bounded) Label(value string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	if !b.seen[value] {
		if len(b.seen) >= MaxValues {
			return Other
		}
		b.seen[value] = true
	}
	return value
}
