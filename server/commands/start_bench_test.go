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

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// BenchmarkStart measures a start of the released program on a SQLite file that exists: the time until it answers, and its
// memory once it is idle: all that is resident, and the part that is not the file of the program. The floor is a program
// that serves empty answers. make bench runs it.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "certctl")
	build(b, program, "../cmd/certctl")
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty+".go", []byte(emptyProgram), 0o600); err != nil {
		b.Fatal(err)
	}
	build(b, empty, empty+".go")
	measureStart(b, dir, program, "serve") // makes the database and the CA
	var took []time.Duration
	var used, least memory
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			took = servertest.MeasureInTurns(5, func() (took time.Duration) { took, used = measureStart(b, dir, program, "serve"); return took },
				func() (took time.Duration) { took, least = measureStart(b, dir, empty); return took })
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[1]))
		}
	})
	for name, report := range map[string]struct{ measured, floor float64 }{
		"resident memory": {used.resident, least.resident}, "anonymous memory": {used.anonymous, least.anonymous},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				servertest.ReportRatio(b, "MB", report.measured/1e6, report.floor/1e6)
			}
		})
	}
}

const emptyProgram = `package main

import (
	"net/http"
	"os"
)

func main() {
	panic(http.ListenAndServe(os.Getenv("CERTCTL_LISTEN"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
}
`

func build(b *testing.B, program, source string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// memory is in bytes.
type memory struct{ resident, anonymous float64 }

// measureStart starts a program and stops it. It returns the time until the program answers and its memory a second later;
// none where there is no /proc.
func measureStart(b *testing.B, dir, program string, args ...string) (time.Duration, memory) {
	b.Helper()
	address := freeAddress(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
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
	cancel()
	if err != nil {
		return took, memory{}
	}
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
