package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ledger is what callers were told. All of it must be true for ever.
type ledger struct {
	mu      sync.Mutex
	jobs    []string                     // that were opened
	waiting map[string]string            // approvals that were opened, with their jobs
	decided map[string]api.ApprovalState // decisions, by approval
	leaves  map[string]string            // certificates that were seen, by job
}

// any picks one of the jobs.
func (l *ledger) any() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) == 0 {
		return "", false
	}
	return l.jobs[rand.IntN(len(l.jobs))], true
}

// undecided picks a request that nobody was told a decision of.
func (l *ledger) undecided() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for approval := range l.waiting {
		if _, ok := l.decided[approval]; !ok {
			return approval, true
		}
	}
	return "", false
}

func (l *ledger) opened(j api.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, j.ID)
	if j.ApprovalID != nil {
		l.waiting[*j.ApprovalID] = j.ID
	}
}

// told notes a state that a caller was told, and fails the test if another one was told before.
func (l *ledger) told(t *testing.T, approval string, state api.ApprovalState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.decided[approval]; ok && before != state {
		t.Errorf("approval %s was %s and is %s", approval, before, state)
	}
	l.decided[approval] = state
}

// saw notes a certificate that a caller saw, and fails the test if the job had another one before.
func (l *ledger) saw(t *testing.T, job, leaf string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.leaves[job]; ok && before != leaf {
		t.Errorf("job %s has two different certificates", job)
	}
	l.leaves[job] = leaf
}

// The process is killed again and again while people renew, decide and look. What they were told stays true.
func TestKillAtAnyMoment(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		v := newVictim(t, start)
		book := &ledger{waiting: map[string]string{}, decided: map[string]api.ApprovalState{}, leaves: map[string]string{}}
		profiles := map[bool]string{}
		let := map[string]string{}
		for life := range 8 {
			p := v.live(t)
			if life == 0 {
				profiles[true], profiles[false] = v.CreateProfileAsOlga(t, true).ID, v.CreateProfileAsOlga(t, false).ID
			}
			ctx, cancel := context.WithCancel(context.Background())
			var callers sync.WaitGroup
			for range 2 {
				callers.Go(func() { book.keepRenewing(ctx, t, p, profiles) })
			}
			for _, who := range []*client.Client{p.bob, p.carol} {
				callers.Go(func() { book.keepDeciding(ctx, t, who) })
			}
			callers.Go(func() { book.keepLooking(ctx, t, p.vera) })
			time.Sleep(150*time.Millisecond + rand.N(300*time.Millisecond))
			v.kill(t)
			cancel()
			callers.Wait()
			v.past(t, func(s *servertest.Server) {
				servertest.CheckInvariants(t, s.Store)
				t.Logf("killed with %d jobs, %d of them running, %d of those signed or about to be", count(t, s, "SELECT count(*) FROM jobs"),
					count(t, s, "SELECT count(*) FROM jobs WHERE status = 'Running'"),
					count(t, s, "SELECT count(*) FROM jobs j JOIN intents i ON i.job_id = j.id WHERE j.status = 'Running'"))
				expireLeases(t, s)
				now := intentsOf(t, s)
				for job, tbs := range let {
					if now[job] != tbs {
						t.Errorf("what the gate let through for job %s is lost or another", job)
					}
				}
				let = now
			})
		}
		v.Restart(t)
		book.holds(t, v.Server)
	})
}

// alive says whether to go on, and fails the test for an answer that is neither a success, one of the problems, nor
// the end of the server.
func alive(ctx context.Context, t *testing.T, what string, err error, allowed ...api.Code) bool {
	var gone *client.UnreachableError
	if errors.As(err, &gone) || ctx.Err() != nil {
		return false
	}
	answered(t, what, err, allowed...)
	return true
}

func (l *ledger) keepRenewing(ctx context.Context, t *testing.T, p people, profiles map[bool]string) {
	for n := 0; ; n++ {
		spec := api.DefaultCertificateSpec()
		name := fmt.Sprintf("host-%d.example.com", rand.Int64())
		spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM = name, []string{name}, profiles[n%3 > 0], servertest.CSR(t)
		c, err := p.olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
		if !alive(ctx, t, "create", err) {
			return
		}
		j, err := p.alice.RenewCertificate(ctx, c.ID, api.Renew{})
		if !alive(ctx, t, "renew", err) {
			return
		}
		l.opened(j)
	}
}

func (l *ledger) keepDeciding(ctx context.Context, t *testing.T, who *client.Client) {
	for ctx.Err() == nil {
		id, ok := l.undecided()
		if !ok {
			time.Sleep(time.Millisecond)
			continue
		}
		decide := who.ApproveApproval
		if rand.IntN(4) == 0 {
			decide = who.RejectApproval
		}
		a, err := decide(ctx, id, api.Decision{})
		if !alive(ctx, t, "decide", err, api.CodeAlreadyDecided) {
			return
		}
		var refusal *api.Problem
		if errors.As(err, &refusal) { // the other was faster, or the decision was made but not acknowledged
			a.State = api.ApprovalState(refusal.State)
		}
		l.told(t, id, a.State)
	}
}

func (l *ledger) keepLooking(ctx context.Context, t *testing.T, who *client.Client) {
	for ctx.Err() == nil {
		id, ok := l.any()
		if !ok {
			time.Sleep(time.Millisecond)
			continue
		}
		j, err := who.GetJob(ctx, id)
		if !alive(ctx, t, "look", err) {
			return
		}
		if err == nil && j.Status == api.JobCompleted {
			c, err := who.GetCertificate(ctx, j.CertificateID)
			if !alive(ctx, t, "look", err) {
				return
			}
			if err == nil {
				l.saw(t, id, c.Current.CertificatePEM)
			}
		}
	}
}

// holds waits until everything is done, and compares it with what was told.
func (l *ledger) holds(t *testing.T, s *servertest.Server) {
	t.Helper()
	p := peopleOf(t, s)
	for approval, job := range l.waiting {
		a, err := p.vera.GetApproval(context.Background(), approval)
		if err != nil {
			t.Errorf("a request was lost: %v", err)
			continue
		}
		if told, ok := l.decided[approval]; ok && told != a.State {
			t.Errorf("approval %s is %s, but a caller was told %s", approval, a.State, told)
		}
		switch a.State {
		case api.ApprovalPending:
			if j := jobOf(t, p, job); j.Status != api.JobAwaitingApproval {
				t.Errorf("job %s is %s, but its approval is pending", job, j.Status)
			}
		case api.ApprovalApproved:
			ended(t, s, job, api.JobCompleted, "")
		default:
			ended(t, s, job, api.JobCancelled, "approval rejected")
		}
	}
	for _, id := range l.jobs {
		j := jobOf(t, p, id)
		if j.ApprovalID == nil {
			ended(t, s, id, api.JobCompleted, "")
		}
		var leaf string
		s.Query(t, &leaf, "SELECT certificate_pem FROM leaves WHERE job_id = ?", id)
		if seen, ok := l.leaves[id]; ok && seen != leaf {
			t.Errorf("job %s has another certificate than a caller saw", id)
		}
	}
	t.Logf("%d jobs, %d decisions, %d certificates seen", len(l.jobs), len(l.decided), len(l.leaves))
}

// point is a place in the middle of a transaction. The process hangs there until it is killed.
type point struct {
	event, table, when string
	commit             bool // not in the statement but in the commit; PostgreSQL only
}

func (p point) String() string { return p.event + " " + p.table + " " + p.when }

// killings: what is called until the process hangs at the point, and what must be there after it was killed.
var killings = []struct {
	point
	call func(world) error // answered before the process hangs if acknowledged
	// Whether the caller is answered, the state of the approval afterwards (empty: there is none), and of its job.
	acknowledged bool
	approval     api.ApprovalState
	job          api.JobStatus
	intents      int
}{
	{point{"INSERT", "approvals", "true", false}, world.renew, false, "", "", 0},
	{point{"INSERT", "jobs", "true", false}, world.renew, false, "", "", 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_requested'", false}, world.renew, false, "", "", 0},
	{point{"UPDATE", "approvals", "NEW.state = 'approved'", false}, world.approve, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"UPDATE", "jobs", "OLD.status = 'AwaitingApproval'", false}, world.approve, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_approved'", false}, world.approve, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_approved'", true}, world.approve, false, api.ApprovalApproved, api.JobPending, 0},
	{point{"UPDATE", "jobs", "NEW.status = 'Cancelled'", false}, world.reject, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_rejected'", true}, world.reject, false, api.ApprovalRejected, api.JobCancelled, 0},
	{point{"UPDATE", "jobs", "NEW.fence > OLD.fence", false}, world.approve, true, api.ApprovalApproved, api.JobPending, 0},
	{point{"INSERT", "intents", "true", false}, world.approve, true, api.ApprovalApproved, api.JobRunning, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'issuance_admitted'", false}, world.approve, true, api.ApprovalApproved, api.JobRunning, 0},
	{point{"INSERT", "leaves", "true", false}, world.approve, true, api.ApprovalApproved, api.JobRunning, 1},
	{point{"INSERT", "audit_events", "NEW.action = 'certificate_issued'", false}, world.approve, true, api.ApprovalApproved, api.JobRunning, 1},
	{point{"UPDATE", "jobs", "NEW.status = 'Completed'", false}, world.approve, true, api.ApprovalApproved, api.JobRunning, 1},
	{point{"UPDATE", "jobs", "NEW.status = 'Completed'", true}, world.approve, true, api.ApprovalApproved, api.JobCompleted, 1},
}

func (w world) renew() error {
	_, err := w.alice.RenewCertificate(context.Background(), w.certificate.ID, api.Renew{})
	return err
}

// The process is killed at chosen points of each transaction. A caller who got no answer sends the same request again,
// with its Idempotency-Key, and it was done once.
func TestKillAtPoint(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		v := newVictim(t, start)
		p := v.live(t)
		profile := v.CreateProfileAsOlga(t, true).ID
		for _, kill := range killings {
			if kill.commit && v.Database().URL == "" {
				continue
			}
			c := v.CreateCertificateAsOlga(t, profile)
			w := world{people: v.keyed(t, c.ID), server: v.Server, certificate: c}
			if kill.approval != "" {
				var err error
				if w.job, err = p.alice.RenewCertificate(context.Background(), c.ID, api.Renew{}); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			answer := make(chan error, 1)
			v.past(t, func(s *servertest.Server) {
				stall := hangAt(t, s, v.Database(), kill.point)
				go func() { answer <- kill.call(w) }()
				if kill.acknowledged {
					err = <-answer
				}
				stall.wait(t)
				v.kill(t)
				stall.end(t, s)
			})
			if !kill.acknowledged {
				err = <-answer
			}
			var gone *client.UnreachableError
			if kill.acknowledged != (err == nil) || err != nil && !errors.As(err, &gone) {
				t.Errorf("%s: the caller was told %v", kill, err)
			}
			let := ""
			v.past(t, func(s *servertest.Server) {
				servertest.CheckInvariants(t, s.Store)
				found := requestOf(t, s, c.ID)
				let = intentsOf(t, s)[w.job.ID]
				if found.State != kill.approval || found.Status != kill.job || (let != "") != (kill.intents > 0) {
					t.Errorf("%s: the approval is %q and the job %q, intent: %v", kill, found.State, found.Status, let != "")
				}
				expireLeases(t, s)
			})
			p = v.live(t)
			for range 2 {
				w.people = v.keyed(t, c.ID)
				if err := kill.call(w); err != nil {
					t.Errorf("%s: sent again: %v", kill, err)
				}
			}
			v.past(t, func(s *servertest.Server) {
				found := requestOf(t, s, c.ID)
				switch found.State {
				case api.ApprovalApproved:
					ended(t, v.Server, found.ID, api.JobCompleted, "")
				case api.ApprovalRejected:
					ended(t, v.Server, found.ID, api.JobCancelled, "approval rejected")
				}
				if n := count(t, s, "SELECT count(*) FROM approvals WHERE certificate_id = ?", c.ID); n != 1 || found.State == api.ApprovalPending && kill.approval != "" {
					t.Errorf("%s: sent again there are %d requests, %s", kill, n, found.State)
				}
				if let != "" && intentsOf(t, s)[w.job.ID] != let {
					t.Errorf("%s: what was let through before is not what was signed after", kill)
				}
			})
		}
	})
}

// request is the newest request for a certificate, and its job.
type request struct {
	State  api.ApprovalState
	Status api.JobStatus
	ID     string // of the job
}

func requestOf(t testing.TB, s *servertest.Server, certificate string) (found request) {
	t.Helper()
	s.Query(t, &found, "SELECT a.state, j.status, j.id FROM approvals a JOIN jobs j ON j.id = a.job_id WHERE a.certificate_id = ?", certificate)
	return found
}

// idempotent sends every request with one key.
type idempotent string

// RoundTrip implements http.RoundTripper.
func (key idempotent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Idempotency-Key", string(key))
	return http.DefaultTransport.RoundTrip(r)
}

// keyed are people who send a single request, again and again.
func (v *victim) keyed(t testing.TB, key string) people {
	t.Helper()
	as := func(name string) *client.Client {
		c, err := client.New(v.URL, v.Key(t, name), client.WithRetries(0), client.WithHTTPClient(&http.Client{Transport: idempotent(key)}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return people{as("alice"), as("bob"), as("carol"), as("olga"), as("vera")}
}

// stall is a trigger that makes the server hang.
type stall struct {
	point
	busy func() (bool, error)
	free func() error
}

// hangAt makes the next statement at the point hang.
func hangAt(t testing.TB, s *servertest.Server, database store.Options, p point) stall {
	t.Helper()
	if database.URL == "" {
		return hangOnSQLite(t, s, p)
	}
	ctx := context.Background()
	holder, err := pgx.Connect(ctx, database.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close(ctx) }) // it may be closed already
	if _, err := holder.Exec(ctx, "SELECT pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, `CREATE OR REPLACE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	kind, deferred := "TRIGGER stall AFTER", ""
	if p.commit {
		kind, deferred = "CONSTRAINT TRIGGER stall AFTER", "DEFERRABLE INITIALLY DEFERRED"
	}
	s.Exec(t, fmt.Sprintf("CREATE %s %s ON %s %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION stall()", kind, p.event, p.table, deferred, p.when))
	counted := func(query string) (n int, err error) {
		err = holder.QueryRow(ctx, query).Scan(&n)
		return n, err
	}
	return stall{
		point: p,
		busy: func() (bool, error) {
			n, err := counted(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
			return n > 0, err
		},
		// The backend goes on with its statement before it notices that nobody is there any more.
		free: func() error {
			if _, err := holder.Exec(ctx, "SELECT pg_advisory_unlock(1)"); err != nil {
				return err
			}
			for range 1000 {
				n, err := counted(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
					AND pid <> pg_backend_pid()`)
				if n == 0 || err != nil {
					return errors.Join(err, holder.Close(ctx))
				}
				time.Sleep(5 * time.Millisecond)
			}
			return errors.New("a backend of the process that was killed is still there")
		},
	}
}

// hangOnSQLite has the statement count to a number that it never reaches.
func hangOnSQLite(t testing.TB, s *servertest.Server, p point) stall {
	t.Helper()
	s.Exec(t, `CREATE VIEW IF NOT EXISTS stalling AS
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT count(*) AS c FROM n`)
	s.Exec(t, fmt.Sprintf("CREATE TRIGGER stall AFTER %s ON %s WHEN %s BEGIN SELECT c FROM stalling; END", p.event, p.table, p.when))
	return stall{
		point: p,
		busy: func() (bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
			defer cancel()
			err := s.Store.Write(ctx, func(*store.Tx) error { return nil })
			return err != nil, nil
		},
		free: func() error { return nil },
	}
}

// wait returns when the server hangs.
func (st stall) wait(t testing.TB) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		busy, err := st.busy()
		if err == nil && !busy {
			err = fmt.Errorf("the server does not come to %s", st)
		}
		return err
	})
}

// end takes the trigger away, after the process was killed.
func (st stall) end(t testing.TB, s *servertest.Server) {
	t.Helper()
	if err := st.free(); err != nil {
		t.Fatal(err)
	}
	drop := "DROP TRIGGER stall"
	if !s.Store.IsSQLite() {
		drop += " ON " + st.table
	}
	s.Exec(t, drop)
}
