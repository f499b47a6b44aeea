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

// observations are what callers were answered. All of it must stay true.
type observations struct {
	mu      sync.Mutex
	jobs    []string
	waiting map[string]string            // jobs, by approval
	decided map[string]api.ApprovalState // decisions, by approval
	leaves  map[string]string            // certificates, by job
}

// pickJob returns one of the jobs; false if there is none.
func (l *observations) pickJob() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) == 0 {
		return "", false
	}
	return l.jobs[rand.IntN(len(l.jobs))], true
}

// pickUndecided returns a request without an observed decision; false if there is none.
func (l *observations) pickUndecided() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for approval := range l.waiting {
		if _, ok := l.decided[approval]; !ok {
			return approval, true
		}
	}
	return "", false
}

func (l *observations) addJob(j api.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, j.ID)
	if j.ApprovalID != nil {
		l.waiting[*j.ApprovalID] = j.ID
	}
}

// addDecision adds an observed state of an approval. If another state was observed before, the test fails.
func (l *observations) addDecision(t *testing.T, approval string, state api.ApprovalState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.decided[approval]; ok && before != state {
		t.Errorf("approval %s was %s and is %s", approval, before, state)
	}
	l.decided[approval] = state
}

// addLeaf adds an observed certificate of a job. If another certificate was observed before, the test fails.
func (l *observations) addLeaf(t *testing.T, job, leaf string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.leaves[job]; ok && before != leaf {
		t.Errorf("job %s has two different certificates", job)
	}
	l.leaves[job] = leaf
}

// The process is killed several times while people renew, decide and read. Every answer stays true.
func TestKillAtAnyMoment_KeepsEveryAnswer(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		v := newKilledServer(t, start)
		seen := &observations{waiting: map[string]string{}, decided: map[string]api.ApprovalState{}, leaves: map[string]string{}}
		profiles := map[bool]string{}
		intents := map[string]string{}
		for round := range 8 {
			p := v.startProcess(t)
			if round == 0 {
				profiles[true], profiles[false] = v.CreateProfileAsOlga(t, true).ID, v.CreateProfileAsOlga(t, false).ID
			}
			ctx, cancel := context.WithCancel(context.Background())
			var callers sync.WaitGroup
			for range 2 {
				callers.Go(func() { seen.keepRenewing(ctx, t, p, profiles) })
			}
			for _, who := range []*client.Client{p.bob, p.carol} {
				callers.Go(func() { seen.keepDeciding(ctx, t, who) })
			}
			callers.Go(func() { seen.keepLooking(ctx, t, p.vera) })
			time.Sleep(150*time.Millisecond + rand.N(300*time.Millisecond))
			v.kill(t)
			cancel()
			callers.Wait()
			v.withDatabase(t, func(s *servertest.Server) {
				servertest.CheckInvariants(t, s.Store)
				t.Logf("killed with %d jobs, %d of them running, %d of those signed or about to be", countRows(t, s, "SELECT count(*) FROM jobs"),
					countRows(t, s, "SELECT count(*) FROM jobs WHERE status = 'Running'"),
					countRows(t, s, "SELECT count(*) FROM jobs j JOIN intents i ON i.job_id = j.id WHERE j.status = 'Running'"))
				expireLeases(t, s)
				stored := listIntents(t, s)
				for job, tbs := range intents {
					if stored[job] != tbs {
						t.Errorf("the intent of job %s is lost or changed", job)
					}
				}
				intents = stored
			})
		}
		v.Restart(t)
		seen.check(t, v.Server)
	})
}

// isAlive returns false once the server is gone. An answer that is neither a success nor an allowed problem fails the test.
func isAlive(ctx context.Context, t *testing.T, what string, err error, allowed ...api.Code) bool {
	var gone *client.UnreachableError
	if errors.As(err, &gone) || ctx.Err() != nil {
		return false
	}
	checkAnswer(t, what, err, allowed...)
	return true
}

func (l *observations) keepRenewing(ctx context.Context, t *testing.T, p people, profiles map[bool]string) {
	for n := 0; ; n++ {
		spec := api.DefaultCertificateSpec()
		name := fmt.Sprintf("host-%d.example.com", rand.Int64())
		spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM = name, []string{name}, profiles[n%3 > 0], servertest.CSR(t)
		c, err := p.olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
		if !isAlive(ctx, t, "create", err) {
			return
		}
		j, err := p.alice.RenewCertificate(ctx, c.ID, api.Renew{})
		if !isAlive(ctx, t, "renew", err) {
			return
		}
		l.addJob(j)
	}
}

func (l *observations) keepDeciding(ctx context.Context, t *testing.T, who *client.Client) {
	for ctx.Err() == nil {
		id, ok := l.pickUndecided()
		if !ok {
			time.Sleep(time.Millisecond)
			continue
		}
		decide := who.ApproveApproval
		if rand.IntN(4) == 0 {
			decide = who.RejectApproval
		}
		a, err := decide(ctx, id, api.Decision{})
		if !isAlive(ctx, t, "decide", err, api.CodeAlreadyDecided) {
			return
		}
		var refusal *api.Problem
		if errors.As(err, &refusal) { // decided by someone else, or decided without an answer
			a.State = api.ApprovalState(refusal.State)
		}
		l.addDecision(t, id, a.State)
	}
}

func (l *observations) keepLooking(ctx context.Context, t *testing.T, who *client.Client) {
	for ctx.Err() == nil {
		id, ok := l.pickJob()
		if !ok {
			time.Sleep(time.Millisecond)
			continue
		}
		j, err := who.GetJob(ctx, id)
		if !isAlive(ctx, t, "look", err) {
			return
		}
		if err == nil && j.Status == api.JobCompleted {
			c, err := who.GetCertificate(ctx, j.CertificateID)
			if !isAlive(ctx, t, "look", err) {
				return
			}
			if err == nil {
				l.addLeaf(t, id, c.Current.CertificatePEM)
			}
		}
	}
}

// check waits until every job has ended, and compares the server with the observations.
func (l *observations) check(t *testing.T, s *servertest.Server) {
	t.Helper()
	p := peopleOf(t, s)
	for approval, job := range l.waiting {
		a, err := p.vera.GetApproval(context.Background(), approval)
		if err != nil {
			t.Errorf("a request was lost: %v", err)
			continue
		}
		if observed, ok := l.decided[approval]; ok && observed != a.State {
			t.Errorf("approval %s is %s, but a caller was answered %s", approval, a.State, observed)
		}
		switch a.State {
		case api.ApprovalPending:
			if j := getJob(t, p, job); j.Status != api.JobAwaitingApproval {
				t.Errorf("job %s is %s, but its approval is pending", job, j.Status)
			}
		case api.ApprovalApproved:
			waitUntilEnded(t, s, job, api.JobCompleted, "")
		default:
			waitUntilEnded(t, s, job, api.JobCancelled, "approval rejected")
		}
	}
	for _, id := range l.jobs {
		j := getJob(t, p, id)
		if j.ApprovalID == nil {
			waitUntilEnded(t, s, id, api.JobCompleted, "")
		}
		var leaf string
		s.Query(t, &leaf, "SELECT certificate_pem FROM leaves WHERE job_id = ?", id)
		if observed, ok := l.leaves[id]; ok && observed != leaf {
			t.Errorf("job %s has another certificate than a caller saw", id)
		}
	}
	t.Logf("%d jobs, %d decisions, %d certificates seen", len(l.jobs), len(l.decided), len(l.leaves))
}

// point is a statement or a commit inside a transaction. The process hangs there until it is killed.
type point struct {
	event, table, when string
	commit             bool // whether the commit hangs, not the statement; PostgreSQL only
}

func (p point) String() string { return p.event + " " + p.table + " " + p.when }

// kills has the calls whose process hangs at a point, and what must be stored after the kill.
var kills = []struct {
	point
	call func(fixture) error // gets its answer before the process hangs, if acknowledged
	// Whether the caller gets an answer; then the states of the approval and its job, empty if there is none.
	acknowledged bool
	approval     api.ApprovalState
	job          api.JobStatus
	intents      int
}{
	{point{"INSERT", "approvals", "true", false}, fixture.renew, false, "", "", 0},
	{point{"INSERT", "jobs", "true", false}, fixture.renew, false, "", "", 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_requested'", false}, fixture.renew, false, "", "", 0},
	{point{"UPDATE", "approvals", "NEW.state = 'approved'", false}, fixture.approve, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"UPDATE", "jobs", "OLD.status = 'AwaitingApproval'", false}, fixture.approve, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_approved'", false}, fixture.approve, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_approved'", true}, fixture.approve, false, api.ApprovalApproved, api.JobPending, 0},
	{point{"UPDATE", "jobs", "NEW.status = 'Cancelled'", false}, fixture.reject, false, api.ApprovalPending, api.JobAwaitingApproval, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'approval_rejected'", true}, fixture.reject, false, api.ApprovalRejected, api.JobCancelled, 0},
	{point{"UPDATE", "jobs", "NEW.fence > OLD.fence", false}, fixture.approve, true, api.ApprovalApproved, api.JobPending, 0},
	{point{"INSERT", "intents", "true", false}, fixture.approve, true, api.ApprovalApproved, api.JobRunning, 0},
	{point{"INSERT", "audit_events", "NEW.action = 'issuance_admitted'", false}, fixture.approve, true, api.ApprovalApproved, api.JobRunning, 0},
	{point{"INSERT", "leaves", "true", false}, fixture.approve, true, api.ApprovalApproved, api.JobRunning, 1},
	{point{"INSERT", "audit_events", "NEW.action = 'certificate_issued'", false}, fixture.approve, true, api.ApprovalApproved, api.JobRunning, 1},
	{point{"UPDATE", "jobs", "NEW.status = 'Completed'", false}, fixture.approve, true, api.ApprovalApproved, api.JobRunning, 1},
	{point{"UPDATE", "jobs", "NEW.status = 'Completed'", true}, fixture.approve, true, api.ApprovalApproved, api.JobCompleted, 1},
}

func (w fixture) renew() error {
	_, err := w.alice.RenewCertificate(context.Background(), w.certificate.ID, api.Renew{})
	return err
}

// The process is killed at certain points of each transaction. A caller without an answer retries with the same
// Idempotency-Key, and the request has one effect.
func TestKillAtPoint_HasOneEffectForARetry(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		v := newKilledServer(t, start)
		p := v.startProcess(t)
		profile := v.CreateProfileAsOlga(t, true).ID
		for _, kill := range kills {
			if kill.commit && v.Database().URL == "" {
				continue
			}
			c := v.CreateCertificateAsOlga(t, profile)
			w := fixture{people: v.peopleWithKey(t, c.ID), server: v.Server, certificate: c}
			if kill.approval != "" {
				var err error
				if w.job, err = p.alice.RenewCertificate(context.Background(), c.ID, api.Renew{}); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			answer := make(chan error, 1)
			v.withDatabase(t, func(s *servertest.Server) {
				stall := stallAt(t, s, v.Database(), kill.point)
				go func() { answer <- kill.call(w) }()
				if kill.acknowledged {
					err = <-answer
				}
				stall.wait(t)
				v.kill(t)
				stall.drop(t, s)
			})
			if !kill.acknowledged {
				err = <-answer
			}
			var gone *client.UnreachableError
			if kill.acknowledged != (err == nil) || err != nil && !errors.As(err, &gone) {
				t.Errorf("%s: the answer is %v", kill, err)
			}
			intent := ""
			v.withDatabase(t, func(s *servertest.Server) {
				servertest.CheckInvariants(t, s.Store)
				found := findRequest(t, s, c.ID)
				intent = listIntents(t, s)[w.job.ID]
				if found.State != kill.approval || found.Status != kill.job || (intent != "") != (kill.intents > 0) {
					t.Errorf("%s: the approval is %q and the job %q, intent: %v", kill, found.State, found.Status, intent != "")
				}
				expireLeases(t, s)
			})
			p = v.startProcess(t)
			for range 2 {
				w.people = v.peopleWithKey(t, c.ID)
				if err := kill.call(w); err != nil {
					t.Errorf("%s: the retry: %v", kill, err)
				}
			}
			v.withDatabase(t, func(s *servertest.Server) {
				found := findRequest(t, s, c.ID)
				switch found.State {
				case api.ApprovalApproved:
					waitUntilEnded(t, v.Server, found.ID, api.JobCompleted, "")
				case api.ApprovalRejected:
					waitUntilEnded(t, v.Server, found.ID, api.JobCancelled, "approval rejected")
				}
				if n := countRows(t, s, "SELECT count(*) FROM approvals WHERE certificate_id = ?", c.ID); n != 1 || found.State == api.ApprovalPending && kill.approval != "" {
					t.Errorf("%s: after the retry there are %d requests, %s", kill, n, found.State)
				}
				if intent != "" && listIntents(t, s)[w.job.ID] != intent {
					t.Errorf("%s: the intent changed after the retry", kill)
				}
			})
		}
	})
}

// request is the newest request for a certificate, with its job.
type request struct {
	State  api.ApprovalState
	Status api.JobStatus
	ID     string // of the job
}

func findRequest(t testing.TB, s *servertest.Server, certificate string) (found request) {
	t.Helper()
	s.Query(t, &found, "SELECT a.state, j.status, j.id FROM approvals a JOIN jobs j ON j.id = a.job_id WHERE a.certificate_id = ?", certificate)
	return found
}

// keyTransport sends every request with one Idempotency-Key.
type keyTransport string

// RoundTrip implements http.RoundTripper.
func (key keyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Idempotency-Key", string(key))
	return http.DefaultTransport.RoundTrip(r)
}

// peopleWithKey returns people who send every request with the same Idempotency-Key.
func (v *killedServer) peopleWithKey(t testing.TB, key string) people {
	t.Helper()
	clientOf := func(name string) *client.Client {
		c, err := client.New(v.URL, v.Key(t, name), client.WithRetries(0), client.WithHTTPClient(&http.Client{Transport: keyTransport(key)}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return people{clientOf("alice"), clientOf("bob"), clientOf("carol"), clientOf("olga"), clientOf("vera")}
}

// stall is a trigger that makes the server hang.
type stall struct {
	point
	isBusy func() (bool, error)
	free   func() error
}

// stallAt makes the next statement at the point hang.
func stallAt(t testing.TB, s *servertest.Server, database store.Options, p point) stall {
	t.Helper()
	if database.URL == "" {
		return stallOnSQLite(t, s, p)
	}
	ctx := context.Background()
	holder, err := pgx.Connect(ctx, database.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close(ctx) }) // may be closed already
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
	queryCount := func(query string) (n int, err error) {
		err = holder.QueryRow(ctx, query).Scan(&n)
		return n, err
	}
	return stall{
		point: p,
		isBusy: func() (bool, error) {
			n, err := queryCount(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
			return n > 0, err
		},
		// The backend finishes its statement before it notices that its client is gone.
		free: func() error {
			if _, err := holder.Exec(ctx, "SELECT pg_advisory_unlock(1)"); err != nil {
				return err
			}
			for range 1000 {
				n, err := queryCount(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
					AND pid <> pg_backend_pid()`)
				if n == 0 || err != nil {
					return errors.Join(err, holder.Close(ctx))
				}
				time.Sleep(5 * time.Millisecond)
			}
			return errors.New("a backend of the killed process is still active")
		},
	}
}

// stallOnSQLite makes the statement count to a number that it never reaches.
func stallOnSQLite(t testing.TB, s *servertest.Server, p point) stall {
	t.Helper()
	s.Exec(t, `CREATE VIEW IF NOT EXISTS stalling AS
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT count(*) AS c FROM n`)
	s.Exec(t, fmt.Sprintf("CREATE TRIGGER stall AFTER %s ON %s WHEN %s BEGIN SELECT c FROM stalling; END", p.event, p.table, p.when))
	return stall{
		point: p,
		isBusy: func() (bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
			defer cancel()
			err := s.Store.Write(ctx, func(*store.Tx) error { return nil })
			return err != nil, nil
		},
		free: func() error { return nil },
	}
}

// wait waits until the server hangs.
func (st stall) wait(t testing.TB) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		busy, err := st.isBusy()
		if err == nil && !busy {
			err = fmt.Errorf("the server does not reach %s", st)
		}
		return err
	})
}

// drop drops the trigger, after the process was killed.
func (st stall) drop(t testing.TB, s *servertest.Server) {
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
