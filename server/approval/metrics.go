package approval

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/series"
)

// Metrics count decisions and cancellations.
type Metrics struct {
	profiles      series.Bounded
	decisions     *prometheus.CounterVec
	cancellations *prometheus.CounterVec
	pendingAge    prometheus.Histogram
}

// NewMetrics makes the metrics of approvals and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "certctl_approval_decisions_total", Help: "Decisions on approvals.",
		}, []string{"outcome", "profile_id"}),
		cancellations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "certctl_approvals_cancelled_total", Help: "Approvals that were withdrawn or cancelled.",
		}, []string{"profile_id", "cause"}),
		pendingAge: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "certctl_approval_pending_age_seconds", Help: "How long an approval waited until it was decided.",
			Buckets: []float64{60, 300, 1800, 3600, 21600, 86400},
		}),
	}
	r.MustRegister(m.decisions, m.cancellations, m.pendingAge)
	return m
}

func (m *Metrics) countDecision(a Approval) { m.count(a, string(a.State)) }

func (m *Metrics) countBypass(a Approval) { m.count(a, "bypassed") }

func (m *Metrics) count(a Approval, outcome string) {
	m.decisions.WithLabelValues(outcome, m.label(a)).Inc()
	m.pendingAge.Observe(a.DecidedAt.Sub(a.CreatedAt).Seconds())
}

func (m *Metrics) countCancellation(a Approval, cause api.Cause) {
	m.cancellations.WithLabelValues(m.label(a), string(cause)).Inc()
}

// label is the profile of an approval; empty for a kind of approval that has none.
func (m *Metrics) label(a Approval) string {
	if a.ProfileID == nil {
		return ""
	}
	return m.profiles.Label(*a.ProfileID)
}
