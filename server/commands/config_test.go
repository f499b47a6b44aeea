package commands

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each setting has its default, and both its variable and its flag set it.
func TestConfiguration_HasDefaultsVariablesAndFlags(t *testing.T) {
	settings := map[string]struct{ flag, none, other string }{
		"CERTCTL_DATABASE_URL":                  {"database-url", "", "postgres://db/certctl"},
		"CERTCTL_DATABASE_WAIT":                 {"database-wait", "5m0s", "0s"},
		"CERTCTL_PGBOUNCER":                     {"pgbouncer", "false", "true"},
		"CERTCTL_DATA_DIR":                      {"data-dir", "certctl-data", "/var/lib/certctl"},
		"CERTCTL_LISTEN":                        {"listen", "127.0.0.1:8080", "[::1]:8443"},
		"CERTCTL_TLS_CERT_FILE":                 {"tls-cert-file", "", "tls.pem"},
		"CERTCTL_TLS_KEY_FILE":                  {"tls-key-file", "", "tls-key.pem"},
		"CERTCTL_BEHIND_TLS_PROXY":              {"behind-tls-proxy", "false", "true"},
		"CERTCTL_CA_CERT_FILE":                  {"ca-cert-file", "", "ca.pem"},
		"CERTCTL_CA_KEY_FILE":                   {"ca-key-file", "", "ca-key.pem"},
		"CERTCTL_TRUSTED_PROXIES":               {"trusted-proxies", "", "10.0.0.0/8,fd00::/8"},
		"CERTCTL_CONSOLE":                       {"console", "true", "false"},
		"CERTCTL_METRICS_LISTEN":                {"metrics-listen", "127.0.0.1:9464", ""},
		"CERTCTL_ISSUE_WITHIN":                  {"issue-within", "24h0m0s", "1s"},
		"CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT": {"job-awaiting-approval-timeout", "168h0m0s", "1s"},
		"CERTCTL_APPROVAL_BYPASS":               {"approval-bypass", "false", "true"},
		"CERTCTL_WORKERS":                       {"workers", "4", "8"},
		"CERTCTL_REAPER_INTERVAL":               {"reaper-interval", "15s", "1m0s"},
		"CERTCTL_RENEWAL_INTERVAL":              {"renewal-interval", "1h0m0s", "5m0s"},
		"CERTCTL_RENEWAL_RETRY_AFTER":           {"renewal-retry-after", "24h0m0s", "0s"},
		"CERTCTL_AUDIT_LOG":                     {"audit-log", "", "stdout"},
		"CERTCTL_EXTERNAL_URL":                  {"external-url", "", "https://certctl.example.com"},
		"CERTCTL_WEBHOOK_URL":                   {"webhook-url", "", "https://hooks.example.com/certctl"},
		"CERTCTL_WEBHOOK_SECRET_FILE":           {"webhook-secret-file", "", "secret"},
		"CERTCTL_NOTIFY_URLS_FILE":              {"notify-urls-file", "", "urls"},
		"CERTCTL_NOTIFY_REMINDERS":              {"notify-reminders", "50%,90%", "25%"},
		"CERTCTL_NOTIFY_NAMES":                  {"notify-names", "true", "false"},
		"CERTCTL_LOG_LEVEL":                     {"log-level", "info", "debug"},
		"CERTCTL_LOG_FORMAT":                    {"log-format", "json", "text"},
	}
	parse := func(args ...string) map[string]string {
		t.Helper()
		parser := newParser(t.Context(), "dev", &cli{})
		parsed, err := parser.Parse(append([]string{"serve"}, args...))
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		for _, flag := range parsed.Flags() {
			if len(flag.Envs) > 0 {
				values[flag.Envs[0]] = fmt.Sprint(flag.Target)
			}
		}
		return values
	}
	// check compares one setting with a value, and all others with their defaults.
	check := func(got map[string]string, name, value string) {
		t.Helper()
		for other, setting := range settings {
			want := setting.none
			if other == name {
				want = value
			}
			if v, ok := got[other]; !ok || v != want {
				t.Errorf("%s is %q, want %q", other, v, want)
			}
		}
		if len(got) != len(settings) {
			t.Errorf("there are %d settings, and %d in this test: %v", len(got), len(settings), got)
		}
	}
	check(parse(), "", "")
	for name, setting := range settings {
		check(parse("--"+setting.flag+"="+setting.other), name, setting.other)
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, setting.other)
			check(parse(), name, setting.other)
			if setting.none != "" {
				check(parse("--"+setting.flag+"="+setting.none), name, setting.none)
			}
		})
	}
}

// A bad value stops the start with one line that names the variable. The line has no password and names no driver.
func TestServe_RefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // after the last of the parallel tests
	f := newFiles(t)
	ca := []string{"CERTCTL_CA_CERT_FILE=" + f.path("ca.pem"), "CERTCTL_CA_KEY_FILE=" + f.path("ca-key.pem")}
	tls := func(cert, key string) string {
		return "CERTCTL_TLS_CERT_FILE=" + f.path(cert) + " CERTCTL_TLS_KEY_FILE=" + f.path(key)
	}
	caOf := func(cert, key string) string {
		return "CERTCTL_CA_CERT_FILE=" + f.path(cert) + " CERTCTL_CA_KEY_FILE=" + f.path(key)
	}
	const external = "CERTCTL_EXTERNAL_URL=https://certctl.example.com "
	hook := func(address, secret string) string {
		return external + "CERTCTL_WEBHOOK_URL=" + address + " CERTCTL_WEBHOOK_SECRET_FILE=" + f.path(secret)
	}
	postgres := func(change func(*url.URL)) string {
		u, err := url.Parse(os.Getenv("CERTCTL_TEST_POSTGRES_URL"))
		if err != nil || u.Host == "" {
			t.Fatal("CERTCTL_TEST_POSTGRES_URL is not set: run the tests with make test, or with scripts/with-postgres go test ...")
		}
		change(u)
		return "CERTCTL_DATABASE_URL=" + u.String()
	}
	const timeout, both = "CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT", "CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE"
	const cannotRead = "CERTCTL_DATABASE_URL: open database: the URL cannot be read: in the user name and the password, write"
	for env, text := range map[string]string{
		"CERTCTL_DATABASE_URL=mysql://u:hunter2@host/db":                                "CERTCTL_DATABASE_URL: open database: the database URL must begin with postgres://",
		"CERTCTL_DATABASE_URL=nonsense":                                                 "CERTCTL_DATABASE_URL: open database: the database URL must begin with postgres://",
		"CERTCTL_DATABASE_URL=postgres://u:hunter2%@host/db":                            cannotRead,
		"CERTCTL_DATABASE_URL=postgres://u:hunter2/1@host/db":                           cannotRead,
		"CERTCTL_DATABASE_URL=postgres://u:1/hunter2@host/db":                           cannotRead,
		"CERTCTL_DATABASE_URL=postgres://u:1?hunter2@host/db":                           cannotRead,
		"CERTCTL_DATABASE_URL=postgres://u:1#hunter2@host/db":                           cannotRead,
		"CERTCTL_DATABASE_URL=postgres://u:hunter2@host:x/db":                           cannotRead,
		"CERTCTL_DATABASE_URL=postgres://u:hunter2@host/db?sslmode=sometimes":           "CERTCTL_DATABASE_URL: open database: the URL cannot be used: its port, an option",
		"CERTCTL_DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/db":                      "CERTCTL_DATABASE_URL: no database listens at 127.0.0.1:1",
		"CERTCTL_DATABASE_URL=postgres://u:hunter2@nowhere.invalid/db":                  `CERTCTL_DATABASE_URL: there is no host "nowhere.invalid"`,
		postgres(func(u *url.URL) { u.User = url.UserPassword("postgres", "hunter2") }): `does not let the user "postgres" in: the password is wrong or`,
		postgres(func(u *url.URL) { u.Path = "/nothing" }):                              `CERTCTL_DATABASE_URL: there is no database "nothing" at `,
		postgres(func(u *url.URL) { u.RawQuery = "sslmode=require" }):                   "CERTCTL_DATABASE_URL: no connection to the database at ",

		"CERTCTL_DATABASE_WAIT=-1s": "CERTCTL_DATABASE_WAIT must not be negative",

		"CERTCTL_DATA_DIR=":              "CERTCTL_DATA_DIR must not be empty",
		"CERTCTL_DATA_DIR=" + f.file:     "CERTCTL_DATA_DIR: mkdir " + f.file + ": not a directory",
		"CERTCTL_DATA_DIR=" + f.noSQLite: "CERTCTL_DATA_DIR: open database: " + f.noSQLite + "/certctl.db is damaged, or no SQLite file",

		"CERTCTL_LISTEN=":                                    "CERTCTL_LISTEN= is not an address: write host:port",
		"CERTCTL_LISTEN=nonsense":                            "CERTCTL_LISTEN=nonsense is not an address: write host:port",
		"CERTCTL_LISTEN=127.0.0.1":                           "CERTCTL_LISTEN=127.0.0.1 is not an address: write host:port",
		"CERTCTL_LISTEN=127.0.0.1:":                          "CERTCTL_LISTEN=127.0.0.1: is not an address: write host:port",
		"CERTCTL_LISTEN=127.0.0.1:66000":                     "CERTCTL_LISTEN=127.0.0.1:66000 is not an address: write host:port",
		"CERTCTL_LISTEN=:0":                                  "CERTCTL_LISTEN=:0 is not a loopback address: set the TLS files, or CERTCTL_BEHIND_TLS_PROXY=true",
		"CERTCTL_LISTEN=0.0.0.0:0":                           "CERTCTL_LISTEN=0.0.0.0:0 is not a loopback address",
		"CERTCTL_LISTEN=[::]:0":                              "CERTCTL_LISTEN=[::]:0 is not a loopback address",
		"CERTCTL_LISTEN=certctl.example.com:0":               "CERTCTL_LISTEN=certctl.example.com:0 is not a loopback address",
		"CERTCTL_LISTEN=" + listener.Addr().String():         "CERTCTL_LISTEN: listen tcp " + listener.Addr().String() + ": bind: address already in use",
		"CERTCTL_METRICS_LISTEN=nonsense":                    "CERTCTL_METRICS_LISTEN=nonsense is not an address: write host:port",
		"CERTCTL_METRICS_LISTEN=" + listener.Addr().String(): "CERTCTL_METRICS_LISTEN: listen tcp " + listener.Addr().String() + ": bind: address already in use",
		"CERTCTL_TRUSTED_PROXIES=proxy.example.com":          `CERTCTL_TRUSTED_PROXIES (--trusted-proxies): "proxy.example.com" is no network: write CIDR prefixes, such as 10.0.0.0/8,fd00::/8`,
		"CERTCTL_TRUSTED_PROXIES=10.0.0.1/8":                 `CERTCTL_TRUSTED_PROXIES (--trusted-proxies): "10.0.0.1/8" has bits set after its prefix: write 10.0.0.0/8`,
		"CERTCTL_TRUSTED_PROXIES=10.0.0.0/8,":                `CERTCTL_TRUSTED_PROXIES (--trusted-proxies): "" is no network`,
		"CERTCTL_BEHIND_TLS_PROXY=maybe":                     "CERTCTL_BEHIND_TLS_PROXY (--behind-tls-proxy): bool value must be",

		"CERTCTL_TLS_CERT_FILE=x":          "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE belong together: set both",
		"CERTCTL_TLS_KEY_FILE=x":           "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE belong together: set both",
		tls("nothing", "ca-key.pem"):       "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: open " + f.path("nothing") + ": no such file",
		tls("ca.pem", "other-key.pem"):     "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: the key in " + f.path("other-key.pem") + " does not belong to the certificate in " + f.path("ca.pem"),
		tls("trailing.pem", "ca-key.pem"):  "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: " + f.path("trailing.pem") + " has something after its last PEM block",
		tls("ca.pem", "trailing-key.pem"):  "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: " + f.path("trailing-key.pem") + " has something after its last PEM block",
		tls("half.pem", "ca-key.pem"):      "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: " + f.path("half.pem") + " has a damaged PEM block",
		tls("two.pem", "ca-key.pem"):       "CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: the API's own certificate must be the first one in " + f.path("two.pem"),
		caOf("trailing.pem", "ca-key.pem"): both + ": " + f.path("trailing.pem") + " has something after its last PEM block",
		caOf("ca.pem", "trailing-key.pem"): both + ": " + f.path("trailing-key.pem") + " has something after its last PEM block",
		caOf("half.pem", "ca-key.pem"):     both + ": " + f.path("half.pem") + " has a damaged PEM block",
		"CERTCTL_CA_CERT_FILE=x":           both + " belong together: set both",
		"CERTCTL_CA_KEY_FILE=x":            both + " belong together: set both",
		caOf("nothing", "ca-key.pem"):      both + ": open " + f.path("nothing") + ": no such file",
		caOf("ca.pem", "nothing"):          both + ": open " + f.path("nothing") + ": no such file",
		caOf("ca.pem", "ca.pem"):           both + ": " + f.path("ca.pem") + " does not hold a private key",
		caOf("ca.pem", "other-key.pem"):    both + ": the CA's key does not belong to its certificate",
		caOf("leaf.pem", "ca-key.pem"):     both + ": the certificate is not a CA certificate",
		caOf("expired.pem", "ca-key.pem"):  both + ": the CA's certificate expired on 2001-01-01T00:00:00Z",
		caOf("future.pem", "ca-key.pem"):   both + ": the CA's certificate is not valid before 2900-01-01T00:00:00Z",
		timeout + "=999ms":                 timeout + " must be at least 1s",
		timeout + "=-1h":                   timeout + " must be at least 1s",
		timeout + "=1.5d":                  timeout + ` (--job-awaiting-approval-timeout): "1.5d" is no duration: write a number and a unit`,
		timeout + "=168":                   timeout + ` (--job-awaiting-approval-timeout): "168" is no duration: write a number and a unit, such as 90s, 15m, 12h, 7d or 1d12h`,
		timeout + "=":                      timeout + ` (--job-awaiting-approval-timeout): "" is no duration: write a number and a unit`,
		"CERTCTL_APPROVAL_BYPASS=":         "CERTCTL_APPROVAL_BYPASS (--approval-bypass): bool value must be",
		"CERTCTL_APPROVAL_BYPASS=on":       "CERTCTL_APPROVAL_BYPASS (--approval-bypass): bool value must be",
		"CERTCTL_WORKERS=":                 `CERTCTL_WORKERS (--workers): expected a valid 64 bit int but got ""`,
		"CERTCTL_WORKERS=many":             `CERTCTL_WORKERS (--workers): expected a valid 64 bit int but got "many"`,
		"CERTCTL_WORKERS=0":                "CERTCTL_WORKERS must be 1 to 256",
		"CERTCTL_WORKERS=257":              "CERTCTL_WORKERS must be 1 to 256",
		"CERTCTL_REAPER_INTERVAL=0s":       "CERTCTL_REAPER_INTERVAL must be at least 100ms",
		"CERTCTL_RENEWAL_INTERVAL=0s":      "CERTCTL_RENEWAL_INTERVAL must be at least 100ms",
		"CERTCTL_RENEWAL_RETRY_AFTER=-1s":  "CERTCTL_RENEWAL_RETRY_AFTER must not be negative",
		"CERTCTL_AUDIT_LOG=/dev/null":      "CERTCTL_AUDIT_LOG: /dev/null is no regular file",
		"CERTCTL_AUDIT_LOG=" + f.noSQLite:  "CERTCTL_AUDIT_LOG: " + f.noSQLite + " is no regular file",
		"CERTCTL_AUDIT_LOG=absent/log":     "CERTCTL_AUDIT_LOG: absent is no directory",

		"CERTCTL_EXTERNAL_URL=certctl.example.com":                         "CERTCTL_EXTERNAL_URL is no origin: write https://host or https://host:port",
		"CERTCTL_EXTERNAL_URL=https://certctl.example.com/":                "CERTCTL_EXTERNAL_URL is no origin",
		"CERTCTL_EXTERNAL_URL=https://u:hunter2@example.com":               "CERTCTL_EXTERNAL_URL is no origin",
		"CERTCTL_EXTERNAL_URL=https://u:hunter2%@host":                     "CERTCTL_EXTERNAL_URL is no origin",
		"CERTCTL_EXTERNAL_URL=http://certctl.example.com":                  "CERTCTL_EXTERNAL_URL must begin with https://; http is for loopback alone",
		external + "CERTCTL_WEBHOOK_URL=https://h/hunter2":                 "CERTCTL_WEBHOOK_URL and CERTCTL_WEBHOOK_SECRET_FILE belong together: set both",
		external + "CERTCTL_WEBHOOK_SECRET_FILE=x":                         "CERTCTL_WEBHOOK_URL and CERTCTL_WEBHOOK_SECRET_FILE belong together: set both",
		hook("https://u:hunter2%@host", "webhook"):                         "CERTCTL_WEBHOOK_URL is no address: write https://host/path",
		hook("hunter2", "webhook"):                                         "CERTCTL_WEBHOOK_URL is no address",
		hook("http://hooks.example.com/hunter2", "webhook"):                "CERTCTL_WEBHOOK_URL must begin with https://; http is for loopback alone",
		hook("https://h/hunter2", "nothing"):                               "CERTCTL_WEBHOOK_SECRET_FILE: open " + f.path("nothing") + ": no such file",
		hook("https://h/hunter2", "empty"):                                 "CERTCTL_WEBHOOK_SECRET_FILE has 0 secrets: write one secret on a line",
		hook("https://h/hunter2", "no-webhook"):                            "CERTCTL_WEBHOOK_SECRET_FILE: line 1 is not whsec_ and Base64",
		hook("https://h/hunter2", "short-webhook"):                         "CERTCTL_WEBHOOK_SECRET_FILE: line 1 has 3 bytes: it must have 24 to 64",
		strings.TrimPrefix(hook("https://h/hunter2", "webhook"), external): "CERTCTL_EXTERNAL_URL is required with receivers of messages: every message links to the server",
		"CERTCTL_NOTIFY_URLS_FILE=" + f.path("chats"):                      "CERTCTL_EXTERNAL_URL is required with receivers of messages",
		external + "CERTCTL_NOTIFY_URLS_FILE=" + f.path("nothing"):         "CERTCTL_NOTIFY_URLS_FILE: open " + f.path("nothing") + ": no such file",
		external + "CERTCTL_NOTIFY_URLS_FILE=" + f.path("bad-chats"):       "CERTCTL_NOTIFY_URLS_FILE: line 1 is not complete for slack",
		"CERTCTL_NOTIFY_REMINDERS=0.5":                                     `CERTCTL_NOTIFY_REMINDERS (--notify-reminders): "0.5" is no part of the time: write percentages from 1% to 99%, such as 50%,90%`,
		"CERTCTL_NOTIFY_REMINDERS=50%,100%":                                `CERTCTL_NOTIFY_REMINDERS (--notify-reminders): "100%" is no part of the time`,
		"CERTCTL_NOTIFY_NAMES=some":                                        "CERTCTL_NOTIFY_NAMES (--notify-names): bool value must be",

		"CERTCTL_LOG_LEVEL=loud": `CERTCTL_LOG_LEVEL (--log-level) must be one of "debug","info","warn","error"`,
		"CERTCTL_LOG_FORMAT=xml": `CERTCTL_LOG_FORMAT (--log-format) must be one of "json","text"`,
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			set := []string{"CERTCTL_LISTEN=127.0.0.1:0", "CERTCTL_METRICS_LISTEN=", "CERTCTL_LOG_LEVEL=error", "CERTCTL_DATABASE_WAIT=0s"}
			if strings.HasPrefix(env, "CERTCTL_DATABASE_URL") {
				set = append(set, ca...)
			}
			dir := t.TempDir()
			got := runCertctl(t, dir, append(set, strings.Split(env, " ")...), "serve")
			if !got.failed || strings.Count(got.stderr, "\n") != 1 || !strings.HasPrefix(got.stderr, "certctl: error: CERTCTL_") ||
				!strings.Contains(got.stderr, text) || got.stdout != "" {
				t.Errorf("failed %t: %s%s", got.failed, got.stdout, got.stderr)
			}
			// The port is opened last. On SQLite, the CA is in the directory of the database.
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 && !strings.Contains(env, "_LISTEN=127.0.0.1:") && !strings.HasPrefix(env, "CERTCTL_CA_") {
				t.Errorf("there are %v though the configuration is bad: %v", entries, err)
			}
			for _, word := range []string{"hunter2", "goroutine", "pgx", "pgconn", "SQLSTATE", "sql:", "dial", "gorm", "goose", "strconv", "envar", "failed to connect"} {
				if strings.Contains(got.stderr, word) {
					t.Errorf("it says %s: %s", word, got.stderr)
				}
			}
		})
	}
	t.Run("no CA on PostgreSQL", func(t *testing.T) {
		t.Parallel()
		got := runCertctl(t, t.TempDir(), []string{postgres(func(*url.URL) {})}, "serve")
		if !got.failed || got.stderr != "certctl: error: "+both+" are required on PostgreSQL, where replicas share one CA: see certctl ca init\n" {
			t.Error(got.stderr)
		}
	})
}

// With these unusual values the server starts.
func TestServe_AcceptsUnusualConfiguration(t *testing.T) {
	t.Parallel()
	for _, env := range []string{
		"CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT=1s", "CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT=1d12h", "CERTCTL_RENEWAL_RETRY_AFTER=7d", "CERTCTL_WORKERS=256", "CERTCTL_RENEWAL_RETRY_AFTER=0s",
		"CERTCTL_LISTEN=localhost:0", "CERTCTL_LISTEN=[::1]:0", "CERTCTL_LISTEN=:0 CERTCTL_BEHIND_TLS_PROXY=true",
		"CERTCTL_METRICS_LISTEN=:0", "CERTCTL_LOG_LEVEL=INFO", "CERTCTL_LOG_FORMAT=JSON", "CERTCTL_DATABASE_URL=", "CERTCTL_TLS_CERT_FILE=", "CERTCTL_TRUSTED_PROXIES=",
		"CERTCTL_TRUSTED_PROXIES=10.0.0.1,fd00::/8",
		"CERTCTL_DATA_DIR=" + filepath.Join(t.TempDir(), "with space and %41?#", "deep"),
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			set := strings.Split(env, " CERTCTL_")
			for i := range set[1:] {
				set[i+1] = "CERTCTL_" + set[i+1]
			}
			startServer(t, t.TempDir(), set...)
		})
	}
}

// Each command warns of a misspelt variable, and does not fail. Each command knows the variables of the server and of the
// provider.
func TestVariables_WarnsOfUnknownVariables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	migrate(t, dir, nil)
	got := runCertctl(t, dir, []string{
		"CERTCTL_APPROVAL_BYPAS=true", "CERTCTL_DATABASE_URI=postgres://u:secret@host/db", "certctl_listen=x", "CERTCTL=x",
		"CERTCTL_CHANGE_REASON=x", "CERTCTL_RESUBMIT_REJECTED=true", "CERTCTL_ENDPOINT=x", "CERTCTL_API_KEY=secret", "CERTCTL_CA_FILE=x",
		"CERTCTL_WORKERS=many", "CERTCTL_LISTEN=nonsense",
	}, "principal", "list")
	var warnings []string
	for line := range strings.Lines(got.stderr) {
		if _, rest, ok := strings.Cut(line, `"WARN","msg":"unknown environment variable",`); ok {
			warnings = append(warnings, strings.TrimSpace(rest))
		}
	}
	want := []string{
		`"variable":"CERTCTL_APPROVAL_BYPAS","nearest":"CERTCTL_APPROVAL_BYPASS"}`,
		`"variable":"CERTCTL_DATABASE_URI","nearest":"CERTCTL_DATABASE_URL"}`,
	}
	if got.failed || strings.Join(warnings, " ") != strings.Join(want, " ") || strings.Contains(got.stderr, "secret") {
		t.Errorf("failed %t: %s", got.failed, got.stderr)
	}
}

// files are certificates, keys and files that are neither.
type files struct{ dir, file, noSQLite string }

func newFiles(t *testing.T) files {
	t.Helper()
	f := files{dir: t.TempDir()}
	f.file, f.noSQLite = f.path("file"), f.path("folder")
	if err := os.Mkdir(f.noSQLite, 0o700); err != nil {
		t.Fatal(err)
	}
	key := f.newKey(t, "ca-key.pem")
	f.newKey(t, "other-key.pem")
	now := time.Now()
	f.newCertificate(t, "ca.pem", key, true, now.Add(-time.Hour), now.Add(time.Hour))
	f.newCertificate(t, "leaf.pem", key, false, now.Add(-time.Hour), now.Add(time.Hour))
	f.newCertificate(t, "expired.pem", key, true, time.Unix(0, 0), time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	f.newCertificate(t, "future.pem", key, true, time.Date(2900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2901, 1, 1, 0, 0, 0, 0, time.UTC))
	f.newCertificate(t, "other.pem", f.newKey(t, "third-key.pem"), true, now.Add(-time.Hour), now.Add(time.Hour))
	f.write(t, "trailing.pem", append(f.read(t, "ca.pem"), "garbage"...))
	f.write(t, "trailing-key.pem", append(f.read(t, "ca-key.pem"), "garbage"...))
	f.write(t, "half.pem", append(f.read(t, "ca.pem"), f.read(t, "ca.pem")[:100]...))
	f.write(t, "two.pem", append(f.read(t, "other.pem"), f.read(t, "ca.pem")...))
	f.write(t, "file", []byte("text"))
	f.write(t, "empty", nil)
	f.write(t, "webhook", []byte("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="))
	f.write(t, "no-webhook", []byte("hunter2"))
	f.write(t, "short-webhook", []byte("whsec_MDEy"))
	f.write(t, "chats", []byte("ntfy://u:hunter2@ntfy.example.com/topic"))
	f.write(t, "bad-chats", []byte("slack://hook:hunter2@webhook"))
	f.write(t, "folder/certctl.db", []byte(strings.Repeat("this is no database\n", 100)))
	return f
}

func (f files) path(name string) string { return filepath.Join(f.dir, name) }

func (f files) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(f.path(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f files) read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(f.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func (f files) newKey(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return key
}

func (f files) newCertificate(t *testing.T, name string, key *ecdsa.PrivateKey, ca bool, from, to time.Time) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IsCA: ca, BasicConstraintsValid: true, SubjectKeyId: []byte{1}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
