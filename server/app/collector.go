package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/series"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

var (
	pendingDesc = prometheus.NewDesc("certctl_approvals_pending", "Approvals that wait for a decision.", []string{"profile_id"}, nil)
	oldestDesc  = prometheus.NewDesc("certctl_approval_oldest_pending_seconds", "Age of the oldest approval that waits; 0 if none waits.", nil, nil)
	bypassDesc  = prometheus.NewDesc("certctl_approval_bypass_enabled", "1 while every request is approved without a person.", nil, nil)
	ungatedDesc = prometheus.NewDesc("certctl_ungated_names_unrestricted", "1 while any name may be signed without approval.", nil, nil)
	jobsDesc    = prometheus.NewDesc("certctl_jobs", "Jobs that are not finished.", []string{"status"}, nil)
	upDesc      = prometheus.NewDesc("certctl_up", "1 while a part that the server needs answers.", []string{"part"}, nil)
	readyDesc   = prometheus.NewDesc("certctl_ready", "1 while /readyz answers 200.", nil, nil)
	keysDesc    = prometheus.NewDesc("certctl_keys_expiring", "API keys in use that expire within a time.", []string{"within"}, nil)
	clockDesc   = prometheus.NewDesc("certctl_clock_offset_seconds", "How far this machine's clock is ahead of the database's.", nil, nil)
)

// scrapeTimeout bounds how long a scrape waits for the database.
const scrapeTimeout = 3 * time.Second

// stateCollector reads the pending approvals and open jobs from the database at each scrape.
type stateCollector struct {
	store     *store.Store
	approvals *approval.Service
	ready     func(context.Context) error
	profiles  series.Bounded
	log       *slog.Logger
}

// state is what one scrape reads from the database.
type state struct {
	pending     map[string]int64 // by profile
	oldest      time.Duration
	unlimited   bool // whether any name may be signed without approval
	jobs        map[api.JobStatus]int64
	clockOffset time.Duration
	keys        map[string]int64 // that expire, by horizon
}

// keyHorizons are the values of the label within.
var keyHorizons = map[string]time.Duration{"7d": 7 * day, "30d": 30 * day}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{pendingDesc, oldestDesc, bypassDesc, ungatedDesc, jobsDesc, upDesc, readyDesc, clockDesc, keysDesc} {
		out <- desc
	}
}

// Collect implements prometheus.Collector. If the database does not answer, Collect leaves out the values that come from the
// database.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	send(bypassDesc, boolValue(c.approvals.HasBypass()))
	send(readyDesc, boolValue(c.ready(ctx) == nil))
	found, err := c.read(ctx)
	send(upDesc, boolValue(err == nil), "database")
	if err != nil {
		c.log.WarnContext(ctx, "could not read the state for the metrics", "error", err)
		return
	}
	c.sendState(found, send, newGauges(out))
}

func (c *stateCollector) read(ctx context.Context) (found state, _ error) {
	err := c.store.Read(ctx, func(tx *store.Tx) error {
		pending, oldest, err := c.approvals.CountPending(tx)
		if err != nil {
			return err
		}
		if found.pending = pending; oldest != nil {
			found.oldest = tx.Now.Sub(*oldest)
		}
		ungated, err := profile.GetUngatedNames(tx)
		if err != nil {
			return err
		}
		found.unlimited = ungated.AllowAll
		if found.jobs, err = job.CountOpen(tx); err != nil {
			return err
		}
		if found.keys, err = countExpiringKeys(tx); err != nil {
			return err
		}
		found.clockOffset, err = tx.ClockOffset()
		return err
	})
	return found, err
}

func countExpiringKeys(tx *store.Tx) (map[string]int64, error) {
	counts := map[string]int64{}
	for label, within := range keyHorizons {
		n, err := principal.CountExpiringKeys(tx, within)
		if err != nil {
			return nil, err
		}
		counts[label] = n
	}
	return counts, nil
}

func (c *stateCollector) sendState(found state, send func(*prometheus.Desc, float64, ...string), pending *gauges) {
	send(ungatedDesc, boolValue(found.unlimited))
	send(oldestDesc, found.oldest.Seconds())
	send(clockDesc, found.clockOffset.Seconds())
	for profileID, n := range found.pending {
		pending.add(pendingDesc, n, c.profiles.Label(profileID))
	}
	pending.send()
	for within, n := range found.keys {
		send(keysDesc, float64(n), within)
	}
	for status, n := range found.jobs {
		send(jobsDesc, float64(n), string(status))
	}
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
