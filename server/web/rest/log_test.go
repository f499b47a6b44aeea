package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// findLine returns the only log line with a message and a request id.
func findLine(t *testing.T, l *servertest.LogBuffer, message, requestID string) map[string]any {
	t.Helper()
	var found map[string]any
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("the log is no JSON: %s", text)
		}
		if strings.Contains(line["msg"].(string), message) && line["request_id"] == requestID {
			if found != nil {
				t.Errorf("%q is logged twice for %s", message, requestID)
			}
			found = line
		}
	}
	if found == nil {
		t.Fatalf("%q is not logged for %s: %s", message, requestID, l)
	}
	return found
}

func TestLog_HasRequestsButNoKeys(t *testing.T) {
	for database, open := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			log := &servertest.LogBuffer{}
			s := open(t, servertest.Log(log))
			j := s.RequestOlgasCertificate(t, "alice")
			approve := "/api/v1/approvals/" + *j.ApprovalID + "/approve"

			requireRefusal(t, send(t, s, "alice", "POST", approve, "", "X-Request-ID", "same-person"), api.CodeTwoPersonIntegrity)
			warning := findLine(t, log, "two-person integrity", "same-person")
			if warning["level"] != "WARN" || warning["approval_id"] != *j.ApprovalID || warning["principal"] != "alice" {
				t.Errorf("the warning is %v", warning)
			}
			decodeSuccess[api.Approval](t, send(t, s, "bob", "POST", approve, `{"note":"n"}`, "X-Request-ID", "second-person"), 200)
			request := findLine(t, log, "request", "second-person")
			if request["route"] != "/api/v1/approvals/{id}/approve" || request["status"] != 200.0 || request["method"] != "POST" || request["duration_ms"] == nil {
				t.Errorf("the request is logged as %v", request)
			}
			if request["principal"] != "bob" || request["key_id"] != s.Key(t, "bob")[4:20] || request["address"] != "127.0.0.1" ||
				!strings.HasPrefix(request["user_agent"].(string), "Go-http-client") {
				t.Errorf("the caller is logged as %v", request)
			}
			send(t, s, "vera", "GET", "/api/v1/principals", "", "X-Request-ID", "without-role")
			if line := findLine(t, log, "request", "without-role"); line["status"] != 403.0 || line["principal"] != "vera" {
				t.Errorf("a caller without the role is logged as %v", line)
			}
			send(t, s, "", "GET", "/api/v1/profiles", "", "X-Request-ID", "nobody")
			if line := findLine(t, log, "request", "nobody"); line["status"] != 401.0 || line["principal"] != "" || line["key_id"] != "" {
				t.Errorf("a request without a key is logged as %v", line)
			}
			if done := s.WaitUntilFinalAsVera(t, j.ID); done.Status != api.JobCompleted {
				t.Fatal(done)
			}

			// Valid and wrong keys, in every part of a request where a caller may put them by mistake.
			secret := s.Key(t, "vera")
			wrong := secret[:21] + strings.Repeat("W", 43)
			send(t, s, "", "GET", "/api/v1/profiles?access_token="+secret, "")
			send(t, s, "vera", "GET", "/api/v1/profiles?access_token="+secret, "")
			send(t, s, "vera", "GET", "/api/v1/profiles/"+secret, "")
			send(t, s, "", "GET", "/"+secret, "", "X-API-Key", secret, "X-Request-ID", "no-route")
			send(t, s, "", "GET", "/api/v1/profiles", "", "Authorization", "Bearer "+wrong)
			send(t, s, "olga", "POST", "/api/v1/profiles", `{"api_key":"`+secret+`","name":1`)
			send(t, s, "bob", "POST", approve, `{"digest":"`+secret+`"}`)
			send(t, s, "alice", "POST", "/api/v1/approvals/"+secret+"/approve", "")
			if line := findLine(t, log, "request", "no-route"); line["route"] != "none" || line["status"] != 404.0 {
				t.Errorf("a path without a route is logged as %v", line)
			}
			var trail []string
			s.Query(t, &trail, "SELECT actor || action || resource_id || request_id || details FROM audit_events")
			for name, text := range map[string]string{"log": log.String(), "audit trail": strings.Join(trail, "\n")} {
				if strings.Contains(text, "ctl_") || strings.Contains(text, "Bearer") {
					t.Errorf("the %s has a key", name)
				}
				for _, who := range []string{"alice", "bob", "olga", "vera"} {
					if key := s.Key(t, who); strings.Contains(text, key[21:]) {
						t.Errorf("the %s has %s's secret", name, who)
					}
				}
				if strings.Contains(text, wrong[21:]) {
					t.Errorf("the %s has a wrong key", name)
				}
			}
		})
	}
}
