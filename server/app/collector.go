package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/job"
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
)

// stateCollector reads the pending approvals and open jobs from the database at each scrape.
type stateCollector struct {
	store     *store.Store
	approvals *approval.Service
	profiles  series.Bounded
	log       *slog.Logger
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	out <- pendingDesc
	out <- oldestDesc
	out <- bypassDesc
	out <- ungatedDesc
	out <- jobsDesc
}

// Collect implements prometheus.Collector. If the database does not answer, it sends no values, except for the bypass.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(bypassDesc, prometheus.GaugeValue, boolValue(c.approvals.HasBypass()))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var pending map[string]int64
	var jobs map[api.JobStatus]int64
	var ungated rules.UngatedNames
	age := 0.0
	err := c.store.Read(ctx, func(tx *store.Tx) error {
		byProfile, oldest, err := c.approvals.CountPending(tx)
		if err != nil {
			return err
		}
		if pending = byProfile; oldest != nil {
			age = tx.Now.Sub(*oldest).Seconds()
		}
		if ungated, err = profile.GetUngatedNames(tx); err != nil {
			return err
		}
		jobs, err = job.CountOpen(tx)
		return err
	})
	if err != nil {
		c.log.WarnContext(ctx, "could not read the state for the metrics", "error", err)
		return
	}
	out <- prometheus.MustNewConstMetric(ungatedDesc, prometheus.GaugeValue, boolValue(ungated.AllowAll))
	bounded := map[string]int64{}
	for profileID, n := range pending {
		bounded[c.profiles.Label(profileID)] += n
	}
	for profileID, n := range bounded {
		out <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(n), profileID)
	}
	for status, n := range jobs {
		out <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(n), string(status))
	}
	out <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age)
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
