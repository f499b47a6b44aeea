package approval

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/series"
)

// Metrics count decisions.
type Metrics struct {
	profiles      series.Bounded
	decisions     *prometheus.CounterVec
	cancellations *prometheus.CounterVec
	pendingAge    prometheus.Histogram
}

// NewMetrics makes and registers the room's metrics.
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

func (m *Metrics) decided(a Approval) { m.ended(a, string(a.State)) }

func (m *Metrics) bypassed(a Approval) { m.ended(a, "bypassed") }

func (m *Metrics) ended(a Approval, outcome string) {
	m.decisions.WithLabelValues(outcome, m.profiles.Label(a.ProfileID)).Inc()
	m.pendingAge.Observe(a.DecidedAt.Sub(a.CreatedAt).Seconds())
}

func (m *Metrics) cancelled(a Approval, cause api.Cause) {
	m.cancellations.WithLabelValues(m.profiles.Label(a.ProfileID), string(cause)).Inc()
}
