package audit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// appendEvent appends an event about an object of the tests.
func appendEvent(tx *store.Tx, action, object string) error {
	return audit.Append(tx, audit.Event{Actor: identity.CLI, Action: action, ResourceType: "test", ResourceID: object})
}

// held is a transaction that has appended an event and has not ended.
type held struct {
	release chan error
	ended   chan error
}

// hold begins a transaction, runs f and keeps the transaction open.
func hold(s *servertest.Server, f func(*store.Tx) error) held {
	h, begun := held{make(chan error), make(chan error, 1)}, make(chan struct{})
	go func() {
		h.ended <- s.Store.Write(context.Background(), func(tx *store.Tx) error {
			if err := f(tx); err != nil {
				close(begun)
				return err
			}
			close(begun)
			return <-h.release
		})
	}()
	<-begun
	return h
}

// end commits the transaction, or rolls it back if there is an error.
func (h held) end(t *testing.T, with error) {
	t.Helper()
	h.release <- with
	if err := <-h.ended; !errors.Is(err, with) {
		t.Fatal(err)
	}
}

func (h held) commit(t *testing.T) { t.Helper(); h.end(t, nil) }

// follower reads one page at each call.
type follower struct {
	*testing.T
	client *client.Client
	cursor string
	seen   []string
}

func newFollower(t *testing.T, s *servertest.Server) *follower {
	return &follower{T: t, client: s.Client(t, "audrey")}
}

// readPage waits for the next page of events of the tests, as a process that was started with the stored cursor.
func (f *follower) readPage() {
	f.Helper()
	o := client.FollowAuditEventsOptions{Page: client.Page{Limit: 2}, Cursor: f.cursor, Action: "tested", Pause: time.Millisecond}
	for page, err := range f.client.FollowAuditEvents(f.Context(), o) {
		if err != nil {
			f.Fatal(err)
		}
		f.cursor = page.Cursor
		for _, e := range page.Events {
			f.seen = append(f.seen, e.ResourceID)
		}
		return
	}
	f.Fatal("the follower ended")
}

// waitFor reads until the follower has seen exactly these objects, in this order.
func (f *follower) waitFor(want ...string) {
	f.Helper()
	for len(f.seen) < len(want) {
		f.readPage()
	}
	if diff := cmp.Diff(want, f.seen); diff != "" {
		f.Fatalf("followed: %s", diff)
	}
}

// listOldest returns the objects of the trail as it is now.
func listOldest(t *testing.T, s *servertest.Server) (objects []string) {
	t.Helper()
	events, err := client.Collect(s.Client(t, "audrey").ListAuditEvents(t.Context(), client.ListAuditEventsOptions{
		Page: client.Page{Limit: 1}, Action: "tested", Order: api.AuditOldestFirst,
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		objects = append(objects, e.ResourceID)
	}
	return objects
}

// A transaction that began early and commits late holds later events back. Its event is neither lost nor told twice.
func TestFollow_MissesNoLateCommit(t *testing.T) {
	t.Parallel()
	servertest.NeedPostgres(t)
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	add := func(objects ...string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			for _, object := range objects {
				if err := appendEvent(tx, "tested", object); err != nil {
					return err
				}
			}
			return nil
		}
	}
	s.Write(t, add("first"))
	f := newFollower(t, s)
	f.waitFor("first")

	early := hold(s, add("early", "early too"))
	failed := hold(s, add("failed"))
	writing := hold(s, func(tx *store.Tx) error { // its event comes after those of later transactions
		return tx.DB.Exec("UPDATE principals SET updated_at = updated_at WHERE id = 'bob'").Error
	})
	s.Write(t, add("middle"))
	late := hold(s, add("late"))
	if got := listOldest(t, s); !slices.Equal(got, []string{"first"}) {
		t.Errorf("while older transactions run, the trail has %v", got)
	}
	late.commit(t)
	failed.end(t, errors.New("rolled back"))
	early.commit(t)
	f.waitFor("first", "early", "early too") // writing runs
	writing.commit(t)
	f.waitFor("first", "early", "early too", "middle", "late")

	// A restarted follower gets the same trail.
	again := newFollower(t, s)
	again.waitFor(f.seen...)
	if got := listOldest(t, s); !slices.Equal(got, f.seen) {
		t.Errorf("the list has %v", got)
	}
}

// Writers commit concurrently and, on PostgreSQL, out of order. A follower that is stopped after any page and goes on with
// its stored cursor sees each event once, in the order that a later reader sees.
func TestFollow_SeesEachEventOnceUnderLoad(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		const rounds, writers = 12, 8
		var writing sync.WaitGroup
		writing.Go(func() {
			for round := range rounds {
				writeConcurrently(t, s, round, writers)
			}
		})
		f := newFollower(t, s)
		for len(f.seen) < rounds*writers*2 {
			f.readPage()
		}
		writing.Wait()
		if again := newFollower(t, s); !slices.Equal(again.readAll(len(f.seen)), f.seen) {
			t.Errorf("the trail of a later reader differs: %s", cmp.Diff(f.seen, again.seen))
		}
		if once := slices.Compact(slices.Sorted(slices.Values(f.seen))); len(once) != len(f.seen) || f.countNew(s) > 0 {
			t.Errorf("%d events, of which %d differ", len(f.seen), len(once))
		}
	}, servertest.NoWorkers())
}

// readAll reads until the follower has seen n events.
func (f *follower) readAll(n int) []string {
	for len(f.seen) < n {
		f.readPage()
	}
	return f.seen
}

// countNew returns the number of events after the follower's cursor.
func (f *follower) countNew(s *servertest.Server) int {
	f.Helper()
	at, err := store.ParsePosition(f.cursor)
	if err != nil {
		f.Fatal(err)
	}
	var rows []audit.Row
	err = s.Store.Read(f.Context(), func(tx *store.Tx) (err error) {
		rows, _, err = audit.Follow(tx, audit.Filter{Action: "tested"}, at, 100)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return len(rows)
}

// writeConcurrently runs transactions that append two events each. On PostgreSQL all of them have appended the first
// event before the first of them commits, and they commit in a random order.
func writeConcurrently(t *testing.T, s *servertest.Server, round, writers int) {
	var appended, done sync.WaitGroup
	turns := make([]chan struct{}, writers+1)
	for i := range turns {
		turns[i] = make(chan struct{})
	}
	order := rand.Perm(writers)
	appended.Add(writers)
	for w := range writers {
		done.Go(func() {
			turn := order[w]
			tries := 0
			err := s.Store.Write(context.Background(), func(tx *store.Tx) error {
				if tries++; tries > 1 {
					return fmt.Errorf("the transaction ran again")
				}
				err := appendEvent(tx, "tested", fmt.Sprintf("%d.%d a", round, w))
				if s.Store.IsSQLite() {
					return errors.Join(err, appendEvent(tx, "tested", fmt.Sprintf("%d.%d b", round, w)))
				}
				appended.Done()
				appended.Wait()
				<-turns[turn]
				return errors.Join(err, appendEvent(tx, "tested", fmt.Sprintf("%d.%d b", round, w)))
			})
			close(turns[turn+1])
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(turns[0])
	done.Wait()
}

// Each filter works for a follower, and its cursor moves on over events that do not match.
func TestFollow_Filters(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		s.Write(t, func(tx *store.Tx) error { return appendEvent(tx, "tested", "old") })
		s.Clock.Advance(time.Hour)
		since := s.Clock.Now()
		for i := range 5 {
			s.Write(t, func(tx *store.Tx) error {
				return errors.Join(appendEvent(tx, "tested", fmt.Sprint(i)), appendEvent(tx, "other", "x"))
			})
		}
		c := s.Client(t, "audrey")
		for name, tc := range map[string]struct {
			o    client.ListAuditEventsOptions
			want []string
		}{
			"action":         {client.ListAuditEventsOptions{Action: "tested"}, []string{"old", "0", "1", "2", "3", "4"}},
			"action, object": {client.ListAuditEventsOptions{Action: "tested", ResourceID: "3"}, []string{"3"}},
			"actor":          {client.ListAuditEventsOptions{Action: "tested", Actor: "bob"}, nil},
			"since":          {client.ListAuditEventsOptions{Action: "tested", Since: since}, []string{"0", "1", "2", "3", "4"}},
			"until":          {client.ListAuditEventsOptions{Action: "tested", Actor: "system-cli", Until: since}, []string{"old"}},
		} {
			tc.o.Order, tc.o.Limit = api.AuditOldestFirst, 2
			servertest.WaitUntil(t, func() error { // other tests' transactions may hold the trail back
				var got []string
				for e, err := range c.ListAuditEvents(t.Context(), tc.o) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.ResourceID)
				}
				if !slices.Equal(got, tc.want) {
					return fmt.Errorf("%s: %v, want %v", name, got, tc.want)
				}
				return nil
			})
		}
		// A cursor of an empty page is after everything that was searched.
		servertest.WaitUntil(t, func() error {
			return s.Store.Read(t.Context(), func(tx *store.Tx) error {
				_, next, err := audit.Follow(tx, audit.Filter{Actor: "nobody"}, store.Position{}, 10)
				if err != nil {
					return err
				}
				rows, _, err := audit.Follow(tx, audit.Filter{}, next, 10)
				if err == nil && (len(rows) > 0 || next.Number == 0) {
					err = fmt.Errorf("after %v there are %d rows", next, len(rows))
				}
				return err
			})
		})
	}, servertest.NoWorkers())
}

// After a dump was restored in another cluster of PostgreSQL, the restored events belong to transactions that the cluster
// has not begun. They can be followed, and new events come after them.
func TestFollow_AfterARestoreInAnotherCluster(t *testing.T) {
	t.Parallel()
	servertest.NeedPostgres(t)
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	f := newFollower(t, s)
	for restored := range 2 { // also of a database that had been restored before
		for _, statement := range []string{
			"ALTER TABLE audit_events DISABLE TRIGGER audit_place",
			fmt.Sprintf(`INSERT INTO audit_events (id, occurred_at, actor, actor_type, action, resource_type, resource_id, request_id, details, position)
				SELECT 'ev-restored%[1]d', now(), 'system-cli', 'System', 'tested', 'test', 'restored %[1]d', '', '{}', (%[1]d::bigint << 48) | (1::bigint << 40)`, restored),
			"ALTER TABLE audit_events ENABLE TRIGGER audit_place",
		} {
			s.Exec(t, statement)
		}
		f.waitFor(append(slices.Clone(f.seen), fmt.Sprintf("restored %d", restored))...)
		s.Write(t, func(tx *store.Tx) error {
			return errors.Join(appendEvent(tx, "tested", fmt.Sprintf("new %d a", restored)), appendEvent(tx, "tested", fmt.Sprintf("new %d b", restored)))
		})
		s.Write(t, func(tx *store.Tx) error { return appendEvent(tx, "tested", fmt.Sprintf("new %d c", restored)) })
		f.waitFor(append(slices.Clone(f.seen), fmt.Sprintf("new %d a", restored), fmt.Sprintf("new %d b", restored), fmt.Sprintf("new %d c", restored))...)
	}
}

// No writer places an event where followers have been already.
func TestFollow_NoWriterChoosesThePosition(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		s.Write(t, func(tx *store.Tx) error { return appendEvent(tx, "tested", "first") })
		f := newFollower(t, s)
		f.waitFor("first")
		err := s.Store.Write(t.Context(), func(tx *store.Tx) error {
			return tx.DB.Exec(`INSERT INTO audit_events (id, occurred_at, actor, actor_type, action, resource_type, resource_id, request_id, details, position)
				SELECT 'ev-forged', occurred_at, actor, actor_type, action, resource_type, 'forged', request_id, details, position FROM audit_events WHERE resource_id = 'first'`).Error
		})
		if s.Store.IsSQLite() {
			if err == nil {
				t.Error("SQLite accepts a position that exists")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		f.waitFor("first", "forged")
	}, servertest.NoWorkers())
}
