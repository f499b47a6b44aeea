package store

import "context"

// The most transactions of requests at once. The rest of the connections is for the background work. SQLite has one
// connection that writes: there the background work waits for at most so many requests.
const (
	requestsOnPostgres    = 12
	requestsWritingSQLite = 4
	requestsReadingSQLite = 3
)

// ForRequests returns the same database for the requests of clients. The transactions of requests are bounded, so workers,
// ticks and /readyz get a connection however many clients there are. Close the store that ForRequests was called on.
func (s *Store) ForRequests() *Store {
	limited := *s
	if s.sqlite {
		limited.writing, limited.reading = make(turns, requestsWritingSQLite), make(turns, requestsReadingSQLite)
	} else {
		limited.writing = make(turns, requestsOnPostgres)
		limited.reading = limited.writing // they share a pool
	}
	return &limited
}

// turns bounds how many transactions run at once. A nil turns has no bound.
type turns chan struct{}

// take waits for a turn. It returns an UnavailableError if ctx ends before.
func (t turns) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &UnavailableError{ctx.Err()}
	}
}

func (t turns) release() {
	if t != nil {
		<-t
	}
}
