package faults_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// cluster is a PostgreSQL that only this test uses. The test may stop and start it.
type cluster struct {
	url, port      string
	data, binaries string
	owner          *syscall.Credential // nil for this user
}

// newCluster starts a cluster with scripts/with-postgres until the test ends. It keeps its commits when it is killed.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	servertest.NeedPostgres(t)
	cmd := exec.Command(filepath.Join("..", "..", "scripts", "with-postgres"), "sh", "-c", `echo "$CERTCTL_TEST_POSTGRES_URL"; cat`)
	cmd.Env = []string{"CERTCTL_TEST_POSTGRES_DURABLE=1"}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CERTCTL_TEST_POSTGRES_URL=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // the script ends with its input
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("scripts/with-postgres gave no PostgreSQL: %v", err)
	}
	c := &cluster{url: strings.TrimSpace(line)}
	conn, err := pgx.Connect(context.Background(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(context.Background(), `SELECT current_setting('data_directory'), current_setting('port'),
		(SELECT setting FROM pg_config WHERE name = 'BINDIR')`).Scan(&c.data, &c.port, &c.binaries)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(c.data); err != nil {
		t.Fatal(err)
	} else if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != os.Geteuid() {
		c.owner = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	return c
}

// stop sends a signal to the postmaster and waits until it is gone.
func (c *cluster) stop(t testing.TB, how syscall.Signal) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid < 2 {
		t.Fatalf("no process %q: %v", first, err)
	}
	if err := syscall.Kill(pid, how); err != nil {
		t.Fatal(err)
	}
	servertest.WaitUntil(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if conn, err := pgx.Connect(ctx, c.url); err == nil {
			return errors.Join(errors.New("PostgreSQL is still there"), conn.Close(ctx))
		}
		return nil
	})
}

// start starts PostgreSQL again. It retries, since the start can fail shortly after a kill.
func (c *cluster) start(t testing.TB) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		cmd := exec.Command(filepath.Join(c.binaries, "pg_ctl"), "-D", c.data, "-l", filepath.Join(filepath.Dir(c.data), "log"),
			"-o", "-p "+c.port, "-t", "60", "-w", "start")
		cmd.Dir = filepath.Dir(c.data)
		if c.owner != nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
		}
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pg_ctl start: %w\n%s", err, output)
		}
		return nil
	})
}

// PostgreSQL stops, crashes or is killed. Meanwhile callers get unavailable and nothing is signed. Then the calls, the
// running job and the wake-up between two servers continue without help.
func TestPostgresGoesAway_AndWorkContinues(t *testing.T) {
	t.Parallel()
	postgres := newCluster(t)
	hung := make(chan struct{}, 1)
	hangs := sync.Map{} // channels that release the first signature of a job, by job
	issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
		if release, ok := hangs.LoadAndDelete(c.job); ok {
			hung <- struct{}{}
			<-release.(chan struct{})
		}
		return real.Sign(ctx, c.Permit)
	})
	server := servertest.NewOnPostgres(t, postgres.url, servertest.NoWorkers(), servertest.Issuer(issuer))
	t.Cleanup(func() { checkLeaves(t, server.Store) })
	workers := server.StartSecond(t)
	p, profile := peopleOf(t, server), server.CreateProfileAsOlga(t, true).ID

	for name, signal := range map[string]syscall.Signal{"stopped": syscall.SIGINT, "crashed": syscall.SIGQUIT, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			next := func() fixture {
				c, j := requestNew(t, server, p, profile)
				return fixture{p, server, c, j}
			}
			one, two, unsigned := next(), next(), next()
			release := make(chan struct{})
			hangs.Store(unsigned.job.ID, release)
			if err := unsigned.approve(); err != nil {
				t.Fatal(err)
			}
			<-hung

			// Some decisions are sent while PostgreSQL stops. Their answers must be true.
			deciding := make([]fixture, 20)
			answers := make([]error, len(deciding))
			for i := range deciding {
				deciding[i] = next()
			}
			var done sync.WaitGroup
			done.Go(func() {
				for i, w := range deciding {
					answers[i] = w.approve()
				}
			})
			postgres.stop(t, signal)
			done.Wait()
			close(release) // the signature cannot be stored

			approvalURL := server.URL + "/api/v1/approvals/" + *one.job.ApprovalID
			servertest.WaitUntil(t, func() error { // the answer may be a second old
				if err := p.vera.GetReady(context.Background()); err == nil {
					return errors.New("the server is ready without a database")
				}
				return nil
			})
			for again := range 2 {
				for call, err := range map[string]error{"approve": one.approve(), "reject": two.reject(), "renew": one.renew(), "rename": one.rename()} {
					if checkAnswer(t, call, err, api.CodeUnavailable) == "" {
						t.Errorf("%s succeeded without a database", call)
					}
				}
				checkUnavailable(t, http.MethodGet, approvalURL, server.Key(t, "carol"))
				checkUnavailable(t, http.MethodPost, approvalURL+"/approve", server.Key(t, "carol"))
				checkUnavailable(t, http.MethodGet, server.URL+"/readyz", "")
				if err := p.vera.GetHealth(context.Background()); err != nil {
					t.Errorf("the process is not healthy: %v", err)
				}
				if signal != syscall.SIGINT || again > 0 {
					break
				}
				time.Sleep(3100 * time.Millisecond) // until the cache entries of the keys expire
			}
			issuer.checkCalls(t, one.job.ID, 0)

			postgres.start(t)
			servertest.WaitUntil(t, func() error { return p.vera.GetReady(context.Background()) })
			for i, w := range deciding {
				var gone *client.UnreachableError
				a, err := p.vera.GetApproval(context.Background(), *w.job.ApprovalID)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case answers[i] == nil && a.State != api.ApprovalApproved:
					t.Errorf("an approval was acknowledged, and is %s", a.State)
				case answers[i] != nil && !errors.As(answers[i], &gone):
					checkAnswer(t, "approve while PostgreSQL stops", answers[i], api.CodeUnavailable)
				}
				if a.State == api.ApprovalPending {
					if err := w.approve(); err != nil {
						t.Errorf("approve afterwards: %v", err)
					}
				}
			}
			if err := two.reject(); err != nil {
				t.Errorf("reject afterwards: %v", err)
			}
			waitForListener(t, workers)
			checkWakes(t, func() time.Duration {
				began := time.Now()
				if err := one.approve(); err != nil {
					t.Errorf("approve afterwards: %v", err)
				}
				waitUntilEnded(t, server, one.job.ID, api.JobCompleted, "")
				took := time.Since(began)
				one = next()
				return took
			})
			expireLeases(t, server) // of the worker that could not store its signature
			if done := waitUntilEnded(t, server, unsigned.job.ID, api.JobCompleted, ""); done.Attempt != 0 {
				t.Error("a lost database counted as an attempt")
			}
			issuer.checkCalls(t, unsigned.job.ID, len(issuer.listCalls(unsigned.job.ID)))
			for _, w := range deciding {
				waitUntilEnded(t, server, w.job.ID, api.JobCompleted, "")
			}
		})
	}
}

// If the connection breaks before the commit, nothing is committed and the error is unavailable.
func TestConnectionGoneAtCommit_IsUnavailable(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t)
	err := s.Store.Write(t.Context(), func(tx *store.Tx) error {
		tx.DB.Exec("SELECT pg_terminate_backend(pg_backend_pid())")
		return nil
	})
	if _, ok := errors.AsType[*store.UnavailableError](err); !ok {
		t.Errorf("%T: %v", err, err)
	}
}

// checkUnavailable fails the test unless the answer is a 503 with Retry-After, within 20 seconds.
func checkUnavailable(t *testing.T, method, url, key string) {
	t.Helper()
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	began := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if took := time.Since(began); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || took > 20*time.Second {
		t.Errorf("%s %s: %s with Retry-After %q after %v", method, request.URL.Path, answer.Status, answer.Header.Get("Retry-After"), took)
	}
}

// waitForListener waits until a server listens for notifications.
func waitForListener(t testing.TB, s *servertest.Server) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		if countRows(t, s, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'") == 0 {
			return errors.New("no server listens")
		}
		return nil
	})
}
