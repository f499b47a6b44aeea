package notify

import "github.com/prometheus/client_golang/prometheus"

// metrics count deliveries.
type metrics struct{ deliveries *prometheus.CounterVec }

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "certctl_message_deliveries_total", Help: "Attempts to deliver a message, by the kind of receiver.",
	}, []string{"receiver", "outcome"})}
	r.MustRegister(m.deliveries)
	return m
}

func (m *metrics) count(t target, outcome string) {
	m.deliveries.WithLabelValues(t.kind, outcome).Inc()
}
