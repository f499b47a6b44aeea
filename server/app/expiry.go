package app

import (
	"context"
	"crypto/x509"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	day = 24 * time.Hour
	// warnEvery is how often a warning of an end that comes near is repeated.
	warnEvery = day
	// tlsWarnBefore is when the warning of the TLS certificate begins. A certificate of less than six weeks has a third of its
	// lifetime instead.
	tlsWarnBefore = 14 * day
)

var (
	caEndDesc = prometheus.NewDesc("certctl_ca_not_after_timestamp_seconds", "When each certificate of a CA's chain ends.",
		[]string{"issuer_id", "subject"}, nil)
	tlsEndDesc = prometheus.NewDesc("certctl_tls_not_after_timestamp_seconds", "When the TLS certificate of the API ends.", nil, nil)
)

// chained is an issuer that has certificates, as the built-in CA.
type chained interface{ Certificates() []*x509.Certificate }

// listChains returns the certificates of each issuer that has some, by its id.
func listChains(issuers map[string]gate.Issuer) map[string][]*x509.Certificate {
	chains := map[string][]*x509.Certificate{}
	for id, issuer := range issuers {
		if c, ok := issuer.(chained); ok {
			chains[id] = c.Certificates()
		}
	}
	return chains
}

// expiryCollector exposes when the certificates that the server itself uses end.
type expiryCollector struct {
	chains map[string][]*x509.Certificate // by issuer
	tls    *tlsFiles
}

// Describe implements prometheus.Collector.
func (c *expiryCollector) Describe(out chan<- *prometheus.Desc) {
	out <- caEndDesc
	out <- tlsEndDesc
}

// Collect implements prometheus.Collector.
func (c *expiryCollector) Collect(out chan<- prometheus.Metric) {
	for id, chain := range c.chains {
		for subject, end := range earliestEnds(chain) {
			out <- prometheus.MustNewConstMetric(caEndDesc, prometheus.GaugeValue, float64(end.Unix()), id, subject)
		}
	}
	if leaf := c.tls.leaf(); leaf != nil {
		out <- prometheus.MustNewConstMetric(tlsEndDesc, prometheus.GaugeValue, float64(leaf.NotAfter.Unix()))
	}
}

// earliestEnds returns when the certificates of each subject end. Two certificates of a chain may have one subject.
func earliestEnds(chain []*x509.Certificate) map[string]time.Time {
	ends := map[string]time.Time{}
	for _, c := range chain {
		subject := strings.ToValidUTF8(c.Subject.String(), "?")
		if end, ok := ends[subject]; !ok || c.NotAfter.Before(end) {
			ends[subject] = c.NotAfter
		}
	}
	return ends
}

// expiryWatch warns of ends that come near. One tick uses it at a time.
type expiryWatch struct {
	chains  map[string][]*x509.Certificate // by issuer
	tls     *tlsFiles
	log     *slog.Logger
	checked time.Time         // when the chains were checked
	warned  time.Time         // when the log warned of the TLS certificate
	warnOf  *x509.Certificate // the TLS certificate of that warning
}

// check warns at the first call, and then once a day.
func (w *expiryWatch) check(ctx context.Context, db *store.Store) error {
	now := db.Now()
	w.checkTLS(ctx, now)
	if now.Sub(w.checked) < warnEvery {
		return nil
	}
	err := db.Read(ctx, func(tx *store.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(w.chains)) {
			longest, found, err := profile.FindLongestLived(tx, id)
			if err != nil {
				return err
			}
			if found {
				w.checkChain(ctx, now, id, longest)
			}
		}
		return nil
	})
	if err == nil {
		w.checked = now
	}
	return err
}

// checkChain warns if a certificate under the profile would outlive a certificate of the issuer's chain. Its requests are
// refused from then on.
func (w *expiryWatch) checkChain(ctx context.Context, now time.Time, issuerID string, longest profile.Profile) {
	lifetime := time.Duration(longest.Spec.V.MaxTTLSeconds) * time.Second
	for _, c := range w.chains[issuerID] {
		if left := c.NotAfter.Sub(now); left < lifetime {
			w.log.WarnContext(ctx, "the CA ends before a new certificate would: requests under this profile are refused, so replace the CA or shorten max_ttl_seconds",
				"issuer_id", issuerID, "subject", c.Subject.String(), "not_after", c.NotAfter, "days_left", int(left/day),
				"profile_id", longest.ID, "max_ttl_seconds", longest.Spec.V.MaxTTLSeconds)
		}
	}
}

func (w *expiryWatch) checkTLS(ctx context.Context, now time.Time) {
	leaf := w.tls.leaf()
	if leaf == nil || leaf.NotAfter.Sub(now) >= min(tlsWarnBefore, leaf.NotAfter.Sub(leaf.NotBefore)/3) {
		return
	}
	if w.warnOf == leaf && now.Sub(w.warned) < warnEvery {
		return
	}
	w.log.WarnContext(ctx, "the TLS certificate of the API ends soon: replace its files",
		"subject", leaf.Subject.String(), "not_after", leaf.NotAfter, "hours_left", int(leaf.NotAfter.Sub(now).Hours()))
	w.warnOf, w.warned = leaf, now
}
