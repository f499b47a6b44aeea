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

// buildBinary builds the released command, once.
var buildBinary = sync.OnceValues(func() (string, error) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "certctl-faults-"); err != nil {
		return "", err
	}
	path := filepath.Join(binaryDir, "certctl")
	build := exec.Command("go", "build", "-o", path, "github.com/certctl/terraform-provider-certctl/server/cmd/certctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, nil
})

func removeBinary() {
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir) // a temporary directory
	}
}

// killedServer is a server in a process of its own, which the test kills and starts again on one database. Between two
// processes the test reads the database past the server.
type killedServer struct {
	*servertest.Server
	env     []string
	process *exec.Cmd
	log     *bytes.Buffer
	read    chan struct{} // closed once the whole log is read
}

// newKilledServer makes the database and its people. startProcess starts the server.
func newKilledServer(t testing.TB, start startFunc) *killedServer {
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
	v := &killedServer{Server: s, env: []string{
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
	// At the end a server in this process finishes the work, and the invariants are checked.
	t.Cleanup(func() {
		if v.process != nil {
			v.kill(t)
		}
		if t.Failed() {
			t.Logf("the log of the last process:\n%s", v.log)
		}
		s.Restart(t)
	})
	return v
}

// startProcess starts the process and waits until it listens. Then the server's clients call it.
func (v *killedServer) startProcess(t testing.TB) people {
	t.Helper()
	path, err := buildBinary()
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

// kill ends the process with SIGKILL.
func (v *killedServer) kill(t testing.TB) {
	t.Helper()
	if err := v.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-v.read
	_ = v.process.Wait() // an error, since the process was killed
	v.process = nil
}

// withDatabase calls f with the database, past the server.
func (v *killedServer) withDatabase(t testing.TB, f func(*servertest.Server)) {
	t.Helper()
	db, err := store.Open(v.Database())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f(&servertest.Server{Store: db})
}

// expireLeases ends the leases of killed workers.
func expireLeases(t testing.TB, s *servertest.Server) {
	t.Helper()
	s.Exec(t, "UPDATE jobs SET lease_until = ? WHERE status = 'Running'", s.Store.Now().Add(-time.Second))
}

// listIntents returns the bytes of each intent, by job.
func listIntents(t testing.TB, s *servertest.Server) map[string]string {
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
