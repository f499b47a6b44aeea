package faults_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

var binaryDir string

// binary is the command as it is released, built once.
var binary = sync.OnceValues(func() (string, error) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "certctl-faults-"); err != nil {
		return "", err
	}
	path := filepath.Join(binaryDir, "certctl")
	build := exec.Command("go", "build", "-o", path, "github.com/certctl/terraform-provider-certctl/server/cmd/certctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, said)
	}
	return path, nil
})

func removeBinary() {
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir) // it is temporary
	}
}

// victim is a server in a process of its own, that is killed and started again on one database. Between its lives the
// database is looked at past it.
type victim struct {
	*servertest.Server
	env     []string
	process *exec.Cmd
	log     *bytes.Buffer
	read    chan struct{} // closed when the whole log was read
}

// newVictim makes the database and its people, and leaves it to the processes to come.
func newVictim(t testing.TB, start start) *victim {
	t.Helper()
	config := app.Config{DataDir: t.TempDir()}
	ca, err := config.LoadCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, servertest.NoWorkers(), servertest.Issuer(ca))
	for _, name := range []string{"alice", "bob", "carol", "olga", "vera"} {
		s.Key(t, name)
	}
	s.Stop()
	v := &victim{Server: s, env: []string{
		"PATH=" + os.Getenv("PATH"),
		"CERTCTL_LISTEN=127.0.0.1:0", "CERTCTL_METRICS_LISTEN=127.0.0.1:0", "CERTCTL_REAPER_INTERVAL=100ms",
		"CERTCTL_CA_CERT_FILE=" + filepath.Join(config.DataDir, "ca.pem"),
		"CERTCTL_CA_KEY_FILE=" + filepath.Join(config.DataDir, "ca-key.pem"),
	}}
	if database := s.Database(); database.URL != "" {
		v.env = append(v.env, "CERTCTL_DATABASE_URL="+database.URL, "CERTCTL_DATA_DIR="+t.TempDir())
	} else {
		v.env = append(v.env, "CERTCTL_DATA_DIR="+filepath.Dir(database.Path))
	}
	// In the end a server in this process does what is left to do, and is looked at as every other.
	t.Cleanup(func() {
		if v.process != nil {
			v.kill(t)
		}
		if t.Failed() {
			t.Logf("the last life's log:\n%s", v.log)
		}
		s.Restart(t)
	})
	return v
}

// live starts the process and waits until it listens. From then on the server's clients call it.
func (v *victim) live(t testing.TB) people {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	v.process, v.log, v.read = exec.Command(path, "serve"), &bytes.Buffer{}, make(chan struct{})
	v.process.Env = v.env
	stderr, err := v.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.process.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(v.read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Address
			}
			v.log.Write(append(lines.Bytes(), '\n'))
		}
	}()
	select {
	case address := <-listening:
		v.URL = "http://" + address
	case <-v.read:
		t.Fatalf("the server did not start:\n%s", v.log)
	case <-time.After(2 * time.Minute):
		t.Fatal("the server does not listen")
	}
	return peopleOf(t, v.Server)
}

// kill ends the process as a power cut would, as far as the process is concerned.
func (v *victim) kill(t testing.TB) {
	t.Helper()
	if err := v.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-v.read
	_ = v.process.Wait() // it was killed, and says so
	v.process = nil
}

// past looks at the database past the server.
func (v *victim) past(t testing.TB, look func(*servertest.Server)) {
	t.Helper()
	db, err := store.Open(v.Database())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	look(&servertest.Server{Store: db})
}

// expireLeases lets the time pass in which nobody hears of the workers that were killed.
func expireLeases(t testing.TB, s *servertest.Server) {
	t.Helper()
	s.Exec(t, "UPDATE jobs SET lease_until = ? WHERE status = 'Running'", s.Store.Now().Add(-time.Second))
}

// intentsOf are the bytes that the gate let through, by job.
func intentsOf(t testing.TB, s *servertest.Server) map[string]string {
	t.Helper()
	var rows []struct {
		JobID string
		TBS   []byte `gorm:"column:tbs"`
	}
	s.Query(t, &rows, "SELECT job_id, tbs FROM intents")
	intents := map[string]string{}
	for _, row := range rows {
		intents[row.JobID] = string(row.TBS)
	}
	return intents
}
