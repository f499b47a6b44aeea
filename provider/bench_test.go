package provider_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// BenchmarkPlan_NoChange2000 measures a plan of 2,000 unchanged profiles, with and without refresh, and counts its requests.
// The first two minutes make the profiles. Each iteration is one plan of each kind. The benchmark reports the medians:
//
//	TF_ACC=1 CGO_ENABLED=0 go test ./provider/ -run '^$' -bench Plan_NoChange2000 -benchtime 5x -timeout 30m
func BenchmarkPlan_NoChange2000(b *testing.B) {
	const resources = 2000
	terraformtest.UseBinaries(b)
	s := servertest.New(b)
	w := newWorkspace(b, s, s.URL, profiles(resources)+readPending)
	w.Run(b, 0, applyMany...)
	perProfile, pending := w.countRequests(b, s, resources)

	var with, without []time.Duration
	for b.Loop() {
		with = append(with, w.timePlan(b))
		without = append(without, w.timePlan(b, "-refresh=false"))
	}
	refreshed, alone := median(with), median(without)
	b.ReportMetric(refreshed.Seconds(), "s/plan")
	b.ReportMetric(alone.Seconds(), "s/plan-without-refresh")
	b.ReportMetric(refreshed.Seconds()/alone.Seconds(), "ratio")
	b.ReportMetric(perProfile, "requests/resource")
	b.ReportMetric(pending, "requests/pending-approvals")
	b.ReportMetric(0, "ns/op") // the sum of both kinds has no meaning
}

// countRequests counts the requests of one plan through a proxy, which would disturb the times. Each object must be read
// by one GET, and nothing else.
func (w workspace) countRequests(b *testing.B, s *servertest.Server, resources int) (perProfile, pending float64) {
	b.Helper()
	p := newProxy(b, s)
	w.Env = append(slices.Clone(w.Env), "CERTCTL_ENDPOINT="+p.URL)
	w.ExpectNoChanges(b)
	for i := range resources {
		key := fmt.Sprintf("GET /api/v1/profiles/p-%d", i)
		perProfile += float64(p.count(key))
		if p.count(key) != 1 {
			b.Errorf("%s: %d times", key, p.count(key))
		}
	}
	if pending = float64(p.total()) - perProfile; pending != 1 {
		b.Errorf("%v requests for the pending approvals", pending)
	}
	return perProfile / float64(resources), pending
}

// timePlan returns the duration of a plan without changes.
func (w workspace) timePlan(b *testing.B, args ...string) time.Duration {
	b.Helper()
	start := time.Now()
	w.Run(b, 0, append([]string{"plan", "-no-color", "-detailed-exitcode"}, args...)...)
	return time.Since(start)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkPlan_Create500 measures a plan of 500 new profiles with the server's previews, and without: of a server that is
// away a plan asks for one preview. The ratio stays below 1.5.
//
//	TF_ACC=1 CGO_ENABLED=0 go test ./provider/ -run '^$' -bench Plan_Create500 -benchtime 5x -timeout 30m
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
	var with, without []time.Duration
	for b.Loop() {
		with = append(with, plan(previewed))
		without = append(without, plan(alone))
	}
	b.ReportMetric(median(with).Seconds(), "s/plan")
	b.ReportMetric(median(without).Seconds(), "s/plan-without-previews")
	b.ReportMetric(median(with).Seconds()/median(without).Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // the sum of both kinds has no meaning
}
