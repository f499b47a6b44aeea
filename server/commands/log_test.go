package commands

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/app"
)

// findLogLine returns the first log line with a message; nil if there is none.
func findLogLine(t *testing.T, log, message string) map[string]any {
	t.Helper()
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("the log is no JSON: %s", text)
		}
		if line["msg"] == message {
			return line
		}
	}
	return nil
}

// The first line says what the server is and uses, the last line why it stopped. Times are in UTC, and no line has a secret.
func TestServe_LogsStartAndStop(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		server := startServer(t, dir, append(env, "CERTCTL_WORKERS=8", "CERTCTL_RENEWAL_RETRY_AFTER=1d", "CERTCTL_REAPER_INTERVAL=1m", "TZ=Asia/Tokyo")...)
		server.stop()
		log := server.log.String()
		start := findLogLine(t, log, "starting")
		if start == nil {
			t.Fatalf("no start: %s", log)
		}
		database := dir + "/certctl-data/certctl.db"
		if len(env) > 0 {
			database = "postgres://owner_"
		}
		if start["version"] != "dev" || !strings.HasPrefix(start["database"].(string), database) || !strings.Contains(start["ca_subject"].(string), "certctl local CA") ||
			len(start["ca_fingerprint_sha256"].(string)) != 64 || strings.Contains(log, ":o@") {
			t.Errorf("the start: %v", start)
		}
		if end, err := time.Parse(time.RFC3339, start["ca_not_after"].(string)); err != nil || time.Until(end) < 24*time.Hour || !strings.HasSuffix(start["ca_not_after"].(string), "Z") {
			t.Errorf("the CA ends %v, %v", start["ca_not_after"], err)
		}
		settings := start["settings"].(map[string]any)
		if settings["CERTCTL_WORKERS"] != "8" || settings["CERTCTL_REAPER_INTERVAL"] != "1m0s" || settings["CERTCTL_DATABASE_URL"] != nil ||
			settings["CERTCTL_RENEWAL_RETRY_AFTER"] != nil || settings["CERTCTL_LOG_LEVEL"] != nil {
			t.Errorf("the settings: %v", settings)
		}
		for _, message := range []string{"stopping", "stopped"} {
			stop := findLogLine(t, log, message)
			if stop == nil || !strings.Contains(stop["reason"].(string), "terminated") {
				t.Errorf("%s: %v", message, stop)
			}
		}
		for text := range strings.Lines(log) {
			var line struct{ Time string }
			if err := json.Unmarshal([]byte(text), &line); err != nil || !strings.HasSuffix(line.Time, "Z") {
				t.Errorf("not in UTC: %s", text)
			}
		}
	})
}

// Probes of an orchestrator are logged at debug.
func TestServe_LogsProbesAtDebug(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		for level, logged := range map[string]bool{"info": false, "debug": true} {
			server := startServer(t, t.TempDir(), append(env, "CERTCTL_LOG_LEVEL="+level)...)
			for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
				if status, _ := getPage(t, "http://"+server.address+path); status != http.StatusOK {
					t.Errorf("%s: %d", path, status)
				}
			}
			server.stop()
			log := server.log.String()
			for _, path := range []string{"/healthz", "/readyz"} {
				if strings.Contains(log, `"route":"`+path+`"`) != logged {
					t.Errorf("at %s, %s is logged: %t\n%s", level, path, !logged, log)
				}
			}
			if !strings.Contains(log, `"route":"/openapi.json"`) && !strings.Contains(log, `"route":"none"`) {
				t.Errorf("no other request is logged: %s", log)
			}
		}
	})
}

// What a client sends reaches neither a terminal nor another line of the log.
func TestServe_EscapesControlCharacters(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		for _, format := range []string{"json", "text"} {
			server := startServer(t, t.TempDir(), append(env, "CERTCTL_LOG_FORMAT="+format)...)
			request, err := http.NewRequest(http.MethodGet, "http://"+server.address+"/openapi.json", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("User-Agent", "left\u202e right\u009b31m\tspace \"quoted\" msg=forged")
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			server.stop()
			log := server.log.String()
			if !strings.Contains(log, "left") || !strings.Contains(log, `u202e right`) || !strings.Contains(log, `u009b31m`) {
				t.Errorf("%s: %s", format, log)
			}
			if strings.ContainsAny(log, "\u202e\u009b\t\x1b") || strings.Contains(log, " msg=forged\n") {
				t.Errorf("%s: the log has the characters: %q", format, log)
			}
		}
	})
}

func TestLogger_EscapesEveryText(t *testing.T) {
	t.Parallel()
	for _, format := range []app.Word{"json", "text"} {
		var b strings.Builder
		log := app.Config{LogLevel: "info", LogFormat: format}.NewLoggerTo(&b)
		const text = "a\x1b\x7f\u0085\u009b\u200b\u202e\u2028\u2066\r\nz"
		log.Info(text, "text", text, "error", errorText(text), "list", []string{text}, "any", struct{ A string }{text}, text, 1) //nolint:sloglint // the key is the test
		for _, r := range strings.TrimSuffix(b.String(), "\n") {
			if r < ' ' || r == '\x7f' || strings.ContainsRune("\u0085\u009b\u200b\u202e\u2028\u2066", r) {
				t.Errorf("%s has %U: %q", format, r, b.String())
			}
		}
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }
