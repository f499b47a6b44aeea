package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const day = 24 * time.Hour

// newAuthority makes the built-in CA with a lifetime.
func newAuthority(t *testing.T, days int) *ca.CA {
	t.Helper()
	config := app.Config{DataDir: t.TempDir()}
	if _, err := config.CreateCA(ca.Options{Key: ca.P256, Name: "Issuing CA", Days: days}, time.Now()); err != nil {
		t.Fatal(err)
	}
	authority, err := config.ReadCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// newTLSFiles writes a self-signed certificate that is valid from now, and its key.
func newTLSFiles(t *testing.T, lifetime time.Duration) (certFile, keyFile string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api"}, NotBefore: now, NotAfter: now.Add(lifetime)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, template.NotAfter
}

// gather returns the value of each gauge, by its name and the values of its labels.
func gather(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			values[name] = m.GetGauge().GetValue()
		}
	}
	return values
}

// The metrics say when CA, TLS certificate and keys end. Only keys that can be used count.
func TestMetrics_ShowWhatEnds(t *testing.T) {
	certFile, keyFile, tlsEnd := newTLSFiles(t, 90*day)
	authority := newAuthority(t, 100)
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		s.Write(t, func(tx *store.Tx) error {
			if err := principal.Create(tx, "bot", api.KindService, "bob", []api.Role{api.RoleOperator}); err != nil {
				return err
			}
			for _, key := range []struct {
				holder string
				in     time.Duration
			}{
				{"alice", 0},
				{"alice", time.Hour},
				{"alice", 7*day + time.Hour},
				{"terraform", 29 * day},
				{"alice", 31 * day},
				{"carol", day},
				{"bot", day}, // revoked and stopped below
			} {
				if _, err := principal.CreateKey(tx, key.holder, fmt.Sprint(key.in), key.in); err != nil {
					return err
				}
			}
			return nil
		})
		s.Disable(t, "carol")
		check := func(seven, thirty float64) {
			t.Helper()
			got := gather(t, s.App.Registry)
			for name, want := range map[string]float64{
				"certctl_ca_not_after_timestamp_seconds iss-local CN=Issuing CA": float64(authority.Certificates()[0].NotAfter.Unix()),
				"certctl_tls_not_after_timestamp_seconds":                        float64(tlsEnd.Unix()),
				"certctl_keys_expiring 7d":                                       seven,
				"certctl_keys_expiring 30d":                                      thirty,
			} {
				if v, ok := got[name]; !ok || v != want {
					t.Errorf("%s is %f (%t), not %f", name, v, ok, want)
				}
			}
		}
		check(2, 4) // alice's of an hour, bot's; and those of seven days and of terraform
		s.Disable(t, "bob")
		check(1, 3)
		s.Clock.Advance(2 * time.Hour)
		check(1, 2) // the first is gone, the second has come nearer
	}, servertest.NoWorkers(), servertest.TLSFiles(certFile, keyFile), servertest.Issuer(authority))
}

// The log warns at the start and once a day when the CA would end before a certificate.
func TestLog_WarnsOnceADayWhenTheCAEnds(t *testing.T) {
	authority := newAuthority(t, 100)
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &servertest.LogBuffer{}
			s := start(t, servertest.Issuer(authority), servertest.Log(log), servertest.NoWorkers())
			olga := s.Client(t, "olga")
			for name, c := range map[string]struct {
				days    int64
				enabled bool
			}{"long": {90, true}, "short": {1, true}, "disabled": {3650, false}} {
				spec := api.DefaultProfileSpec()
				spec.Name = name
				spec.MaxTTLSeconds, spec.Enabled, spec.AllowedDNSNames = c.days*24*3600, c.enabled, []string{"**.example.com"}
				if _, err := olga.CreateProfile(t.Context(), api.CreateProfile{ID: "p-" + name, ProfileSpec: spec}); err != nil {
					t.Fatal(err)
				}
			}
			s.Restart(t)
			warnings := func() int { return strings.Count(log.String(), `"msg":"the CA ends before`) }
			// waitForTick waits for a whole tick that began after the call.
			waitForTick := func() {
				t.Helper()
				s.Exec(t, "INSERT INTO replays VALUES ('system-test', ?, '', '', ?)", store.NewID(""), s.Store.Now())
				servertest.WaitUntil(t, func() error {
					left := 0
					if s.Query(t, &left, "SELECT count(*) FROM replays WHERE principal_id = 'system-test'"); left > 0 {
						return fmt.Errorf("no tick yet")
					}
					return nil
				})
			}
			for _, step := range []struct {
				name    string
				advance time.Duration
				want    int
			}{
				{"100 days left", 0, 0},
				{"89 days left", 11 * day, 1},
				{"an hour later", time.Hour, 1},
				{"a day later", day, 2},
			} {
				s.Clock.Advance(step.advance)
				waitForTick()
				waitForTick()
				if got := warnings(); got != step.want {
					t.Errorf("%s: %d warnings, not %d: %s", step.name, got, step.want, log)
				}
			}
			s.Restart(t)
			waitForTick()
			waitForTick()
			if got := warnings(); got != 3 {
				t.Errorf("after a restart: %d warnings", got)
			}
			if text := log.String(); !strings.Contains(text, `"subject":"CN=Issuing CA"`) || !strings.Contains(text, `"days_left":88,"profile_id":"p-long","max_ttl_seconds":7776000`) {
				t.Errorf("the warning: %s", text)
			}
		})
	}
}

// The log warns two weeks before the TLS certificate ends, and of a short one when a third of its lifetime is left.
func TestLog_WarnsWhenTheTLSCertificateEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lifetime, quiet, warns time.Duration }{
		"long":  {90 * day, 75 * day, 77 * day},
		"short": {24 * time.Hour, 15 * time.Hour, 17 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			certFile, keyFile, _ := newTLSFiles(t, c.lifetime)
			log := map[string]*servertest.LogBuffer{}
			t.Parallel()
			for database, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
				log[database] = &servertest.LogBuffer{}
				buffer := log[database]
				t.Run(database, func(t *testing.T) {
					t.Parallel()
					s := start(t, servertest.Log(buffer), servertest.TLSFiles(certFile, keyFile))
					warnings := func() int { return strings.Count(buffer.String(), `"msg":"the TLS certificate of the API ends soon`) }
					s.Clock.Advance(c.quiet)
					s.Restart(t)
					s.Clock.Advance(c.warns - c.quiet)
					servertest.WaitUntil(t, func() error {
						if warnings() == 0 {
							return fmt.Errorf("no warning: %s", buffer)
						}
						return nil
					})
					s.Stop()
					if got := warnings(); got != 1 {
						t.Errorf("%d warnings: %s", got, buffer)
					}
					s.Restart(t)
				})
			}
		})
	}
}
