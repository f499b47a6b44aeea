package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

var badKey = "Bearer ctl_aaaaaaaaaaaaaaaa_" + strings.Repeat("a", 43)

// fail sends bad keys until the limiter refuses one, at most 60. Each has the header X-Forwarded-For that f returns.
func fail(t *testing.T, s *servertest.Server, f func(i int) string) (limited bool) {
	t.Helper()
	for i := range 60 {
		got := send(t, s, "", http.MethodGet, "/api/v1/profiles", "", "Authorization", badKey, "X-Forwarded-For", f(i))
		if got.status == http.StatusTooManyRequests {
			return true
		}
	}
	return false
}

// A trusted proxy names the client. The log and the limiter of failed credentials use that address.
func TestTrustedProxy_NamesTheClient(t *testing.T) {
	log := map[string]*servertest.LogBuffer{"sqlite": {}, "postgres": {}}
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, servertest.NoWorkers(), servertest.TrustedProxies("127.0.0.0/8", "10.0.0.0/8"), servertest.Log(log[name]))
			for id, c := range map[string]struct{ forwarded, want string }{
				"client":  {"198.51.100.1", "198.51.100.1"},
				"spoofed": {"203.0.113.9, 198.51.100.1", "198.51.100.1"},
				"hops":    {"203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"},
				"none":    {"", "127.0.0.1"},
				"garbage": {"<script>", "127.0.0.1"},
			} {
				send(t, s, "", http.MethodGet, "/api/v1/profiles", "", "X-Forwarded-For", c.forwarded, "X-Request-ID", id)
				if line := findLine(t, log[name], "request", id); line["address"] != c.want {
					t.Errorf("%s: the address is %v, not %s", id, line["address"], c.want)
				}
			}
			// The client changes the part of the header that it controls.
			if !fail(t, s, func(i int) string { return fmt.Sprintf("203.0.113.%d, 198.51.100.1", i) }) {
				t.Error("a client behind a proxy is not limited")
			}
			if got := send(t, s, "", http.MethodGet, "/api/v1/profiles", "", "Authorization", badKey, "X-Forwarded-For", "198.51.100.2"); got.status != http.StatusUnauthorized {
				t.Errorf("another client behind the same proxy gets %d", got.status)
			}
		})
	}
}

// Without a trusted proxy the header has no effect: not on the log, and not on the limiter.
func TestUntrustedPeer_CannotNameAnotherAddress(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &servertest.LogBuffer{}
			s := start(t, servertest.NoWorkers(), servertest.TrustedProxies("10.0.0.0/8"), servertest.Log(log))
			send(t, s, "", http.MethodGet, "/api/v1/profiles", "", "X-Forwarded-For", "198.51.100.1", "X-Real-IP", "198.51.100.1", "X-Request-ID", "spoofed")
			if line := findLine(t, log, "request", "spoofed"); line["address"] != "127.0.0.1" {
				t.Errorf("the address is %v", line["address"])
			}
			if !fail(t, s, func(i int) string { return fmt.Sprintf("198.51.100.%d", i) }) {
				t.Error("the client escapes the limiter")
			}
		})
	}
}
