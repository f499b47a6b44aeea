// Package ratelimit bounds how often each of many callers may do something, in bounded memory.
//
// It imports no other package of certctl. Each process has its own limits; replicas do not share them.
package ratelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxKeys    = 10_000
	sweepEvery = time.Second
)

// Limiter limits each key separately.
type Limiter struct {
	perSecond rate.Limit
	burst     int

	mu     sync.Mutex
	keys   map[string]*rate.Limiter
	others *rate.Limiter // shared by all keys beyond maxKeys
	swept  time.Time
}

// New returns a Limiter that allows each key burst events at once, and perSecond after that.
func New(perSecond, burst int) *Limiter {
	return &Limiter{
		perSecond: rate.Limit(perSecond), burst: burst,
		keys: map[string]*rate.Limiter{}, others: rate.NewLimiter(rate.Limit(perSecond), burst),
	}
}

// Allow counts an event of a key and says whether it is within the limit.
func (l *Limiter) Allow(key string) bool { return l.find(key).Allow() }

// IsFresh says whether a key has its whole burst, because it had no event lately. It counts no event.
func (l *Limiter) IsFresh(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.keys[key]
	if !ok && len(l.keys) >= maxKeys {
		limiter, ok = l.others, true
	}
	return !ok || l.isFresh(limiter)
}

func (l *Limiter) isFresh(limiter *rate.Limiter) bool { return limiter.Tokens() >= float64(l.burst) }

func (l *Limiter) find(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limiter, ok := l.keys[key]; ok {
		return limiter
	}
	if len(l.keys) >= maxKeys {
		l.sweep()
	}
	if len(l.keys) >= maxKeys {
		return l.others
	}
	limiter := rate.NewLimiter(l.perSecond, l.burst)
	l.keys[key] = limiter
	return limiter
}

// sweep removes the keys that have their whole burst again: they are as good as new.
func (l *Limiter) sweep() {
	if time.Since(l.swept) < sweepEvery {
		return
	}
	l.swept = time.Now()
	for key, limiter := range l.keys {
		if l.isFresh(limiter) {
			delete(l.keys, key)
		}
	}
}
