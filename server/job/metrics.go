package job

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Metrics count finished jobs.
type Metrics struct {
	done     *prometheus.CounterVec
	duration prometheus.Histogram
}

// NewMetrics makes the metrics of jobs and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "certctl_jobs_finished_total", Help: "Jobs that reached a final state.",
		}, []string{"status"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "certctl_job_duration_seconds", Help: "From the first claim of a job to its end.",
			Buckets: prometheus.ExponentialBuckets(0.005, 4, 9),
		}),
	}
	r.MustRegister(m.done, m.duration)
	return m
}

func (m *Metrics) countFinished(j Job, to api.JobStatus, at time.Time) {
	m.done.WithLabelValues(string(to)).Inc()
	if j.StartedAt != nil {
		m.duration.Observe(at.Sub(*j.StartedAt).Seconds())
	}
}
