package issuance

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/series"
)

// Metrics count issuances.
type Metrics struct {
	profiles  series.Bounded
	issuances *prometheus.CounterVec
}

// NewMetrics makes the metrics of issuances and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{issuances: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "certctl_issuances_total", Help: "Issuances that ended: issued, refused by the gate, or failed.",
	}, []string{"profile_id", "outcome"})}
	r.MustRegister(m.issuances)
	return m
}

func (m *Metrics) count(profileID, outcome string) {
	m.issuances.WithLabelValues(m.profiles.Label(profileID), outcome).Inc()
}
