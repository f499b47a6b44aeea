package ratelimit

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter_LimitsEachKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(2, 5)
		if n := allowed(l, "a", 20); n != 5 || l.IsFresh("a") || !l.IsFresh("b") {
			t.Errorf("%d at once", n)
		}
		if n := allowed(l, "b", 20); n != 5 {
			t.Errorf("%d at once of another key", n)
		}
		time.Sleep(2 * time.Second)
		if n := allowed(l, "a", 20); n != 4 {
			t.Errorf("%d after two seconds", n)
		}
		time.Sleep(3 * time.Second)
		if !l.IsFresh("a") || !l.Allow("a") || l.IsFresh("a") {
			t.Error("after five seconds the key does not have its whole burst, or keeps it")
		}
	})
}

// Thousands of keys do not make the limiter forget one that is over its limit, nor fill the memory.
func TestLimiter_IsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(1, 5)
		allowed(l, "a", 20)
		all := 0
		for i := range 2 * maxKeys {
			all += allowed(l, strconv.Itoa(i), 1)
		}
		if len(l.keys) != maxKeys || all != maxKeys-1+5 || l.IsFresh("a") || l.IsFresh("another") {
			t.Errorf("%d keys, %d allowed", len(l.keys), all)
		}
		time.Sleep(time.Minute)
		if n := allowed(l, "another", 20); n != 5 || len(l.keys) != 1 {
			t.Errorf("after a minute %d are allowed and there are %d keys", n, len(l.keys))
		}
	})
}

func allowed(l *Limiter, key string, tries int) int {
	n := 0
	for range tries {
		if l.Allow(key) {
			n++
		}
	}
	return n
}
