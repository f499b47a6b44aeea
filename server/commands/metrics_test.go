package commands

import (
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The metrics say what runs, and that the database answers.
func TestMetrics_HaveBuildRuntimeAndDatabase(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		server := startServer(t, t.TempDir(), env...)
		status, metrics := getPage(t, "http://"+server.metrics+"/metrics")
		for _, form := range []string{
			`certctl_build_info{go_version="` + regexp.QuoteMeta(runtime.Version()) + `",revision="\w+",version="dev"} 1`, `certctl_up{part="database"} 1`,
			`certctl_ready 1`, `certctl_clock_offset_seconds -?[0-9.e-]+`, `go_goroutines \d+`, `process_start_time_seconds [0-9.e+]+`, `process_open_fds \d+`,
		} {
			if !regexp.MustCompile("(?m)^" + form + "$").MatchString(metrics) {
				t.Errorf("%d: there is no %s:\n%s", status, form, metrics)
			}
		}
	})
}

// While the database is gone or hangs, a scrape answers and says so, and so does /readyz. Then everything comes back.
func TestMetrics_OutliveTheDatabase(t *testing.T) {
	t.Parallel()
	proxy := servertest.NewProxy(t, newRoles(t).ownerURL)
	server := startServer(t, t.TempDir(), append(newCA(t), "CERTCTL_DATABASE_URL="+proxy.URL)...)
	check := func(up bool, detail string) error {
		status, metrics := getPage(t, "http://"+server.metrics+"/metrics")
		want := map[bool]string{true: "1", false: "0"}[up]
		if status != http.StatusOK || !strings.Contains(metrics, `certctl_up{part="database"} `+want+"\n") || !strings.Contains(metrics, "certctl_ready "+want+"\n") ||
			strings.Contains(metrics, "certctl_approval_oldest_pending_seconds 0") != up || !strings.Contains(metrics, "certctl_approval_bypass_enabled 0") {
			return fmt.Errorf("want up %t, got %d %s", up, status, metrics)
		}
		began := time.Now()
		status, answer := getPage(t, "http://"+server.address+"/readyz")
		if (status == http.StatusOK) != up || !strings.Contains(answer, detail) || time.Since(began) > 20*time.Second {
			return fmt.Errorf("want ready %t, got %d %s after %v", up, status, answer, time.Since(began))
		}
		return nil
	}
	servertest.WaitUntil(t, func() error { return check(true, "ready") })
	proxy.Refuse()
	servertest.WaitUntil(t, func() error { return check(false, "the database does not answer") })
	proxy.Pass()
	servertest.WaitUntil(t, func() error { return check(true, "ready") })
	proxy.Hang()
	servertest.WaitUntil(t, func() error { return check(false, "the database does not answer") })
	proxy.Pass()
	servertest.WaitUntil(t, func() error { return check(true, "ready") })
}
