package commands

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// BenchmarkStart measures a start of the released program on a SQLite file that exists: the time until it is ready, and its
// memory once it is idle: all that is resident, and the part that is not the file of the program.
//
//	go test ./server/commands -run '^$' -bench Start -benchtime 10x
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "certctl")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", program, "../cmd/certctl").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	startOnce(b, dir, program) // makes the database and the CA
	var most memory
	var ready time.Duration
	for b.Loop() {
		took, used := startOnce(b, dir, program)
		ready += took
		most = memory{max(most.resident, used.resident), max(most.anonymous, used.anonymous)}
	}
	b.ReportMetric(ready.Seconds()/float64(b.N), "s/start")
	b.ReportMetric(most.resident/1e6, "MB-resident")
	b.ReportMetric(most.anonymous/1e6, "MB-anonymous")
	b.ReportMetric(0, "ns/op")
}

// memory is in bytes.
type memory struct{ resident, anonymous float64 }

// startOnce starts the program and stops it. It returns the time until the program is ready and its memory a second later;
// none where there is no /proc.
func startOnce(b *testing.B, dir, program string) (time.Duration, memory) {
	b.Helper()
	address := freeAddress(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "serve")
	cmd.Dir, cmd.Env = dir, []string{"CERTCTL_LISTEN=" + address, "CERTCTL_METRICS_LISTEN=" + freeAddress(b)}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	for !isReady(ctx, address) {
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begun)
	time.Sleep(time.Second)
	status, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/status")
	if err != nil {
		return took, memory{}
	}
	cancel()
	return took, memory{readBytes(status, "VmRSS"), readBytes(status, "RssAnon")}
}

// readBytes reads a field of /proc/PID/status, which is in kilobytes.
func readBytes(status []byte, field string) float64 {
	found := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, _ := strconv.ParseFloat(string(found[1]), 64)
	return kilobytes * 1024
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func isReady(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
