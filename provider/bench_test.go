package provider_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// BenchmarkPlan_NoChange2000 measures a plan of 2,000 unchanged profiles, with and without refresh, and checks its requests.
// The floor is Terraform's plan of as many resources of its own, which reads nothing. The first minutes make the profiles.
// make bench runs it.
func BenchmarkPlan_NoChange2000(b *testing.B) {
	const resources = 2000
	terraformtest.UseBinaries(b)
	s := servertest.New(b)
	w := newWorkspace(b, s, s.URL, profiles(resources)+readPending)
	w.Run(b, 0, applyMany...)
	w.checkRequests(b, s, resources)
	empty := newWorkspace(b, s, s.URL, fmt.Sprintf("resource \"terraform_data\" \"p\" {\n  count = %d\n  input = count.index\n}\n", resources))
	empty.Run(b, 0, applyMany...)

	var took []time.Duration
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			took = servertest.MeasureInTurns(3, func() time.Duration { return w.timePlan(b) },
				func() time.Duration { return w.timePlan(b, "-refresh=false") }, func() time.Duration { return empty.timePlan(b) })
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[2]))
		}
	})
	b.Run("plan without refresh", func(b *testing.B) {
		for b.Loop() {
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[1]), servertest.Milliseconds(took[2]))
		}
	})
}

// checkRequests counts the requests of one plan through a proxy, which would disturb the times. Each object must be read
// by one GET, and nothing else.
func (w workspace) checkRequests(b *testing.B, s *servertest.Server, resources int) {
	b.Helper()
	p := newProxy(b, s)
	w.Env = append(slices.Clone(w.Env), "CERTCTL_ENDPOINT="+p.URL)
	w.ExpectNoChanges(b)
	for i := range resources {
		key := fmt.Sprintf("GET /api/v1/profiles/p-%d", i)
		if p.count(key) != 1 {
			b.Errorf("%s: %d times", key, p.count(key))
		}
	}
	if others := p.total() - resources; others != 2 {
		b.Errorf("%d requests besides those of the profiles: one for the key and one for the pending approvals", others)
	}
}

// timePlan returns the duration of a plan without changes.
func (w workspace) timePlan(b *testing.B, args ...string) time.Duration {
	b.Helper()
	start := time.Now()
	w.Run(b, 0, append([]string{"plan", "-no-color", "-detailed-exitcode"}, args...)...)
	return time.Since(start)
}

// BenchmarkPlanCertificates_NoChange2000 measures a plan of 2,000 unchanged certificates, with and without refresh. The ratio
// stays below 1.5.
//
//	scripts/test ./provider/ -run '^$' -bench PlanCertificates -benchtime 1x
func BenchmarkPlanCertificates_NoChange2000(b *testing.B) {
	terraformtest.UseBinaries(b)
	s := servertest.New(b)
	w := newWorkspace(b, s, s.URL, fmt.Sprintf(`
		resource "certctl_certificate" "this" {
		  count      = 2000
		  profile_id = %q
		  sans       = ["www.example.com"]
		  csr_pem    = %q
		}
	`, s.CreateProfileAsOlga(b, true).ID, servertest.CSR(b)))
	w.Run(b, 0, applyMany...)
	for b.Loop() {
		took := servertest.MeasureInTurns(3, func() time.Duration { return w.timePlan(b) }, func() time.Duration { return w.timePlan(b, "-refresh=false") })
		servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[1]))
	}
}

// BenchmarkPlan_Create500 measures a plan of 500 new profiles with the server's previews, and without: of a server that is
// away a plan asks for one preview. The ratio stays below 1.5.
//
//	scripts/test ./provider/ -run '^$' -bench Plan_Create500 -benchtime 1x
func BenchmarkPlan_Create500(b *testing.B) {
	terraformtest.UseBinaries(b)
	s := servertest.New(b)
	previewed := newWorkspace(b, s, s.URL, profiles(500))
	alone := newWorkspace(b, s, "http://127.0.0.1:1", "provider \"certctl\" {\n  max_retries = 0\n}\n"+profiles(500))
	plan := func(w workspace) time.Duration {
		start := time.Now()
		w.Run(b, 0, "plan", "-no-color")
		return time.Since(start)
	}
	for b.Loop() {
		took := servertest.MeasureInTurns(5, func() time.Duration { return plan(previewed) }, func() time.Duration { return plan(alone) })
		servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[1]))
	}
}
