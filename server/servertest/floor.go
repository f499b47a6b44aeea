package servertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// ReportRatio reports what was measured beside its floor, and the ratio. A floor is the least that the same work takes on
// the same machine at the same time. scripts/benchmark-page reads the three.
func ReportRatio(b *testing.B, unit string, measured, floor float64) {
	b.Helper()
	b.ReportMetric(measured, "certctl-"+unit)
	b.ReportMetric(floor, "floor-"+unit)
	b.ReportMetric(measured/floor, "ratio")
	b.ReportMetric(0, "ns/op") // an iteration is of no interest
}

// MeasureInTurns measures each part some times, one after the other, so that all share what else the machine does. It
// returns the median of each part.
func MeasureInTurns(rounds int, parts ...func() time.Duration) []time.Duration {
	took := make([][]time.Duration, len(parts))
	for range rounds {
		for i, part := range parts {
			took[i] = append(took[i], part())
		}
	}
	medians := make([]time.Duration, len(parts))
	for i, all := range took {
		slices.Sort(all)
		medians[i] = all[len(all)/2]
	}
	return medians
}

// Milliseconds is a duration in milliseconds.
func Milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// MeasureSQL returns the mean time of a transaction of pgbench, which runs a script on the server's PostgreSQL. Several
// clients run at once; the time is that of all of them divided by the transactions.
func (s *Server) MeasureSQL(b *testing.B, clients, transactions int, script string) time.Duration {
	b.Helper()
	path := filepath.Join(b.TempDir(), "script.sql")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		b.Fatal(err)
	}
	address, err := url.Parse(s.options.database)
	if err != nil {
		b.Fatal(err)
	}
	password, _ := address.User.Password()
	pgbench := exec.CommandContext(b.Context(), "pgbench", "--no-vacuum", "--protocol=prepared", "--file="+path,
		fmt.Sprintf("--client=%d", clients), fmt.Sprintf("--transactions=%d", transactions/clients),
		"--host="+address.Hostname(), "--port="+address.Port(), "--username="+address.User.Username(), address.Path[1:])
	pgbench.Env = append(os.Environ(), "PGPASSWORD="+password)
	out, err := pgbench.CombinedOutput()
	if err != nil {
		b.Fatalf("pgbench: %v: %s", err, out)
	}
	found := regexp.MustCompile(`(?m)^tps = ([0-9.]+) `).FindSubmatch(out)
	if found == nil {
		b.Fatalf("pgbench reports no rate: %s", out)
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(float64(time.Second) / rate)
}

// StartEmptyHandler serves an empty answer to every request until the benchmark ends. It returns the URL.
func StartEmptyHandler(b *testing.B) string {
	b.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(web.Close)
	return web.URL
}
