package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Every page warns of what weakens the rule of two people. Without such a thing there is no
// warning.
func TestBanners_AreOnEveryPage(t *testing.T) {
	const (
		bypass, ungated = "The bypass is on.", "Names without approval are not limited."
		clock, nobody   = "Nothing can be decided at the moment.", "Nobody could decide a request."
	)
	limited := func(t *testing.T, s *servertest.Server) { s.SetUngatedNames(t, api.UngatedLists{}) }
	for name, c := range map[string]struct {
		option  servertest.Option
		prepare func(*testing.T, *servertest.Server)
		warning string
	}{
		"none":          {servertest.DatabaseClock(), limited, ""},
		"bypass":        {servertest.Bypass(), limited, bypass},
		"ungated names": {servertest.DatabaseClock(), func(*testing.T, *servertest.Server) {}, ungated},
		"clock": {servertest.DatabaseClock(), func(t *testing.T, s *servertest.Server) {
			limited(t, s)
			s.Clock.Advance(10 * time.Second)
		}, clock},
		"nobody": {servertest.DatabaseClock(), func(t *testing.T, s *servertest.Server) {
			limited(t, s)
			for _, person := range []string{"alice", "bob", "carol"} {
				s.Disable(t, person)
			}
		}, nobody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewPostgres(t, c.option, servertest.NoWorkers())
			olga := newVisitor(t, s, "olga")
			c.prepare(t, s)
			for _, path := range []string{"/approvals", "/profiles", "/certificates"} {
				p := olga.get(path)
				p.require(t, http.StatusOK)
				for _, warning := range []string{bypass, ungated, clock, nobody} {
					if strings.Contains(p.body, warning) != (warning == c.warning) {
						t.Errorf("%s: %q is on the page: %t", path, warning, warning != c.warning)
					}
				}
			}
		})
	}
}
