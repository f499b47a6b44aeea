package notify

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

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

var (
	oldestDesc = prometheus.NewDesc("certctl_message_oldest_undelivered_seconds", "Age of the oldest message that is not delivered; 0 if there is none.", nil, nil)
	failedDesc = prometheus.NewDesc("certctl_messages_failed", "Messages that ended undelivered within the last day.", nil, nil)
)

// scrapeTimeout bounds how long a scrape waits for the database.
const scrapeTimeout = 3 * time.Second

// backlogCollector reads from the database, at each scrape, what is not delivered.
type backlogCollector struct {
	store *store.Store
	log   *slog.Logger
}

// Describe implements prometheus.Collector.
func (c *backlogCollector) Describe(out chan<- *prometheus.Desc) {
	out <- oldestDesc
	out <- failedDesc
}

// Collect implements prometheus.Collector. If the database does not answer, it sends no values.
func (c *backlogCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var backlog outbox.Backlog
	err := c.store.Read(ctx, func(tx *store.Tx) (err error) {
		backlog, err = outbox.GetBacklog(tx)
		return err
	})
	if err != nil {
		c.log.WarnContext(ctx, "could not read the messages for the metrics", "error", err)
		return
	}
	out <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, backlog.Oldest.Seconds())
	out <- prometheus.MustNewConstMetric(failedDesc, prometheus.GaugeValue, float64(backlog.Failed))
}
