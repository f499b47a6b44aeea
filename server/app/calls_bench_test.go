package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const (
	rounds       = 5   // of each measurement; the median counts
	callsInRound = 100 // of one client
)

// floorTables are tables with nothing but keys. The statements of the floors run on them where certctl writes.
const floorTables = `
	CREATE TABLE floor_certificates (id serial PRIMARY KEY, body text);
	CREATE TABLE floor_approvals (id serial PRIMARY KEY, state text, body text);
	CREATE TABLE floor_jobs (id serial PRIMARY KEY, status text, body text);
	CREATE TABLE floor_events (id serial PRIMARY KEY, body text);
	INSERT INTO floor_certificates (body) SELECT repeat('x', 1000) FROM generate_series(1, 10000);
	INSERT INTO floor_approvals (state, body) SELECT 'pending', repeat('x', 1000) FROM generate_series(1, 10000);
	INSERT INTO floor_jobs (status, body) SELECT 'AwaitingApproval', repeat('x', 1000) FROM generate_series(1, 10000);`

// The least that the database does for a call.
const (
	renewSQL = `\set id random(1, 10000)
		BEGIN;
		SELECT body FROM floor_certificates WHERE id = :id FOR UPDATE;
		INSERT INTO floor_approvals (state, body) VALUES ('pending', repeat('x', 1000));
		INSERT INTO floor_jobs (status, body) VALUES ('AwaitingApproval', repeat('x', 1000));
		INSERT INTO floor_events (body) VALUES (repeat('x', 300));
		COMMIT;`
	approveSQL = `\set id random(1, 10000)
		BEGIN;
		UPDATE floor_approvals SET state = 'approved' WHERE id = :id;
		UPDATE floor_jobs SET status = 'Pending' WHERE id = :id;
		INSERT INTO floor_events (body) VALUES (repeat('x', 300));
		COMMIT;`
	// A worker claims the job, stores what will be signed, and stores what was signed.
	signSQL = `\set id random(1, 10000)
		UPDATE floor_jobs SET status = 'Running' WHERE id = :id;
		BEGIN;
		SELECT body FROM floor_certificates WHERE id = :id FOR UPDATE;
		INSERT INTO floor_events (body) VALUES (repeat('x', 1000));
		COMMIT;
		BEGIN;
		UPDATE floor_certificates SET body = body WHERE id = :id;
		UPDATE floor_jobs SET status = 'Completed' WHERE id = :id;
		INSERT INTO floor_events (body) VALUES (repeat('x', 1000));
		COMMIT;`
	firstPageSQL = `SELECT * FROM approvals WHERE state = 'pending' ORDER BY created_at, id LIMIT 51;`
	lastPageSQL  = `SELECT * FROM (SELECT * FROM approvals WHERE state = 'pending' ORDER BY created_at DESC, id DESC LIMIT 50) last ORDER BY created_at, id;`
	summarySQL   = `SELECT kind, profile_id, count(*) FROM approvals WHERE state = 'pending' GROUP BY 1, 2;`
	scanSQL      = `SELECT count(*) FROM certificates WHERE renew_at <= now();`
)

// BenchmarkCalls measures calls of one client over HTTP on PostgreSQL, beside the sum of two floors: the least SQL for the
// same work, and an empty handler. All are measured in turns. make bench runs it.
func BenchmarkCalls(b *testing.B) {
	for _, rows := range []int{100, 100_000} {
		s := servertest.NewPostgres(b, servertest.NoWorkers(), servertest.WithoutInvariants())
		fillPending(b, s, rows, rows, "true")
		vacuumDatabase(b, s)
		bench := callBench{s, caller{b, s.URL, s.Key(b, "vera")}, caller{b, servertest.StartEmptyHandler(b), "none"}}
		last := bench.vera.findLastPage()
		bench.run(b, fmt.Sprintf("first page of %d pending", rows), firstPageSQL, bench.get("/api/v1/approvals?state=pending"))
		bench.run(b, fmt.Sprintf("last page of %d pending", rows), lastPageSQL, bench.get(last))
		bench.run(b, fmt.Sprintf("summary of %d pending", rows), summarySQL, bench.get("/api/v1/approvals/summary?limit=1"))
		if rows == 100_000 {
			bench.runScan(b, rows)
			bench.runWrites(b)
		}
	}
}

// callBench measures calls of a server.
type callBench struct {
	s           *servertest.Server
	vera, empty caller
}

// run measures the call that prepare returns, beside its floors. The call is made callsInRound times in each round.
func (c callBench) run(b *testing.B, name, sql string, prepare func() func()) {
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			call := prepare()
			took := servertest.MeasureInTurns(rounds, func() time.Duration { return timeEach(callsInRound, call) },
				func() time.Duration { return c.s.MeasureSQL(b, 1, callsInRound, sql) },
				func() time.Duration { return timeEach(callsInRound, func() { c.empty.call("GET", "/") }) })
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[1]+took[2]))
		}
	})
}

// get prepares a call of GET.
func (c callBench) get(path string) func() func() {
	return func() func() {
		return func() { c.vera.call("GET", path) }
	}
}

// runScan measures a search of the scheduler for what is due. It sends no request, so its floor is SQL alone.
func (c callBench) runScan(b *testing.B, certificates int) {
	b.Run(fmt.Sprintf("scan of %d certificates", certificates), func(b *testing.B) {
		for b.Loop() {
			took := servertest.MeasureInTurns(rounds, func() time.Duration {
				return timeEach(1, func() {
					if err := c.s.App.RenewDue(context.Background()); err != nil {
						b.Fatal(err)
					}
				})
			}, func() time.Duration { return c.s.MeasureSQL(b, 1, 1, scanSQL) })
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[1]))
		}
	})
}

// runWrites measures the request of a gated renewal, and its approval.
func (c callBench) runWrites(b *testing.B) {
	c.s.Exec(b, floorTables)
	olga, bob := caller{b, c.s.URL, c.s.Key(b, "olga")}, caller{b, c.s.URL, c.s.Key(b, "bob")}
	c.run(b, "request a renewal", renewSQL, func() func() {
		certificates := createMany(b, c.s, rounds*callsInRound)
		return func() {
			olga.call("POST", "/api/v1/certificates/"+certificates[0]+"/renew")
			certificates = certificates[1:]
		}
	})
	c.run(b, "approve", approveSQL, func() func() {
		approvals := requestMany(b, c.s, rounds*callsInRound)
		return func() {
			bob.call("POST", "/api/v1/approvals/"+approvals[0]+"/approve")
			approvals = approvals[1:]
		}
	})
}

// createMany makes gated certificates and returns their ids.
func createMany(b *testing.B, s *servertest.Server, n int) []string {
	b.Helper()
	profile, ids := s.CreateProfileAsOlga(b, true).ID, make([]string, n)
	places := make([]*string, n)
	for i := range ids {
		places[i] = &ids[i]
	}
	runEach(b, 8, places, func(id *string) error {
		*id = s.CreateCertificateAsOlga(b, profile).ID
		return nil
	})
	return ids
}

// timeEach returns the mean time of a call.
func timeEach(calls int, call func()) time.Duration {
	begun := time.Now()
	for range calls {
		call()
	}
	return time.Since(begun) / time.Duration(calls)
}

// caller sends requests with a key.
type caller struct {
	b        *testing.B
	url, key string
}

// call returns the body and the header of an answer, which must be good.
func (c caller) call(method, path string) (string, http.Header) {
	c.b.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, c.url+path, nil)
	if err != nil {
		c.b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusMultipleChoices {
		c.b.Fatalf("%s %s: %s %v: %s", method, path, answer.Status, err, body)
	}
	return string(body), answer.Header
}

// findLastPage follows the list of pending approvals, and returns the path of its last page.
func (c caller) findLastPage() string {
	c.b.Helper()
	link := regexp.MustCompile(`<([^>]+)>; rel="next"`)
	path := "/api/v1/approvals?state=pending&limit=50"
	for {
		_, header := c.call("GET", path)
		next := link.FindStringSubmatch(header.Get("Link"))
		if next == nil {
			return path
		}
		path = next[1]
	}
}
