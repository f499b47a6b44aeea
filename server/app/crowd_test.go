package app_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// crowd is many times the connections to the database. A request waits for a lock for ten seconds.
const crowd = 200

// Certificates are issued, and the server is ready, while more requests than connections wait for a lock.
func TestRequests_LeaveConnectionsToWorkers(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	ctx, olga := context.Background(), s.Client(t, "olga")
	j, err := olga.RenewCertificate(ctx, s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID).ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	locked := s.CreateProfileAsOlga(t, false)
	var waiting sync.WaitGroup
	release := holdRow(t, s, locked.ID)
	for i := range crowd {
		spec := locked.ProfileSpec
		spec.Description = fmt.Sprint(i)
		waiting.Go(func() { _, _ = olga.ReplaceProfile(ctx, locked.ID, spec) }) // any answer will do
	}
	s.WaitForLocks(t, 10)

	working, stop := context.WithCancel(ctx)
	defer stop()
	waiting.Go(func() { s.App.Work(working) })
	servertest.WaitUntil(t, func() error {
		status := api.JobPending
		s.Query(t, &status, "SELECT status FROM jobs WHERE id = ?", j.ID)
		if status != api.JobCompleted {
			return fmt.Errorf("the job is %s", status)
		}
		return s.Client(t, "vera").GetReady(ctx)
	})
	s.WaitForLocks(t, 10) // the requests still wait
	stop()
	release()
	waiting.Wait()
}

// holdRow locks a profile until the returned function is called, at the latest until the test ends.
func holdRow(t *testing.T, s *servertest.Server, profileID string) (release func()) {
	t.Helper()
	held, released, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := s.Store.Write(context.Background(), func(tx *store.Tx) error {
			err := tx.DB.Exec("SET LOCAL idle_in_transaction_session_timeout = 0").Error
			if err == nil {
				err = tx.DB.Exec("UPDATE profiles SET id = id WHERE id = ?", profileID).Error
			}
			if err != nil {
				return err
			}
			close(held)
			<-released
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	release = sync.OnceFunc(func() {
		close(released)
		<-ended
	})
	t.Cleanup(release)
	<-held
	return release
}

// The background work reads while more requests read than SQLite has connections for.
func TestRequests_LeaveAReaderOfSQLite(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	requests, release := s.Store.ForRequests(), make(chan struct{})
	started := make(chan struct{}, crowd)
	var running sync.WaitGroup
	for range crowd {
		running.Go(func() {
			err := requests.Read(context.Background(), func(*store.Tx) error {
				started <- struct{}{}
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for range crowd {
		if err := s.Store.Read(ctx, func(*store.Tx) error { return nil }); err != nil {
			t.Error(err)
			break
		}
	}
	close(release)
	running.Wait()
}
