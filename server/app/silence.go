package app

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/series"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

var (
	blockedDesc     = prometheus.NewDesc("certctl_renewals_blocked", "Live certificates that cannot be renewed.", []string{"profile_id", "reason"}, nil)
	expiringDesc    = prometheus.NewDesc("certctl_certificates_expiring", "Live certificates whose leaf ends within a time; each includes those before it.", []string{"profile_id", "within"}, nil)
	undecidableDesc = prometheus.NewDesc("certctl_approvals_undecidable", "Approvals that wait and that nobody can decide.", []string{"profile_id"}, nil)
	retryingDesc    = prometheus.NewDesc("certctl_jobs_retrying", "Jobs that are not finished and whose issuer failed at least once.", nil, nil)
)

// silenceCollector reads from the database, at each scrape, what stopped or will stop.
type silenceCollector struct {
	store    *store.Store
	profiles series.Bounded
	log      *slog.Logger
}

// Describe implements prometheus.Collector.
func (c *silenceCollector) Describe(out chan<- *prometheus.Desc) {
	out <- blockedDesc
	out <- expiringDesc
	out <- undecidableDesc
	out <- retryingDesc
}

// Collect implements prometheus.Collector. If the database does not answer, it sends no values.
func (c *silenceCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var blocks []certificate.BlockCount
	var expiring []certificate.ExpiryCount
	var undecidable map[string]int64
	var retrying int64
	err := c.store.Read(ctx, func(tx *store.Tx) (err error) {
		if blocks, err = certificate.CountBlocks(tx); err != nil {
			return err
		}
		if expiring, err = certificate.CountExpiring(tx); err != nil {
			return err
		}
		if undecidable, err = approval.CountUndecidable(tx); err != nil {
			return err
		}
		retrying, err = job.CountRetrying(tx)
		return err
	})
	if err != nil {
		c.log.WarnContext(ctx, "could not read for the metrics what stopped", "error", err)
		return
	}
	gauges := newGauges(out)
	for _, b := range blocks {
		gauges.add(blockedDesc, b.Count, c.profiles.Label(b.ProfileID), string(b.Reason))
	}
	for _, e := range expiring {
		profileID := c.profiles.Label(e.ProfileID)
		gauges.add(expiringDesc, e.Expired, profileID, "expired")
		gauges.add(expiringDesc, e.Day, profileID, "1d")
		gauges.add(expiringDesc, e.Week, profileID, "7d")
		gauges.add(expiringDesc, e.ThirtyDay, profileID, "30d")
	}
	for profileID, n := range undecidable {
		gauges.add(undecidableDesc, n, c.profiles.Label(profileID))
	}
	gauges.send()
	out <- prometheus.MustNewConstMetric(retryingDesc, prometheus.GaugeValue, float64(retrying))
}

// gauges sums values that have the same labels: several profiles share the label of those beyond the bound.
type gauges struct {
	out    chan<- prometheus.Metric
	values map[gaugeKey]int64
}

type gaugeKey struct {
	desc   *prometheus.Desc
	labels [2]string
	count  int
}

func newGauges(out chan<- prometheus.Metric) *gauges {
	return &gauges{out, map[gaugeKey]int64{}}
}

func (g *gauges) add(desc *prometheus.Desc, n int64, labels ...string) {
	key := gaugeKey{desc: desc, count: len(labels)}
	copy(key.labels[:], labels)
	g.values[key] += n
}

func (g *gauges) send() {
	for key, n := range g.values {
		g.out <- prometheus.MustNewConstMetric(key.desc, prometheus.GaugeValue, float64(n), key.labels[:key.count]...)
	}
}
