package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-log/tflogtest"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The log has each HTTP request, and neither key, query nor body.
func TestLog_HasRequestsAndNoSecret(t *testing.T) {
	t.Parallel()
	const name, reason = "tok-SECRET-name", "tok-SECRET-reason"
	s := servertest.New(t)
	key, gated := s.Key(t, "terraform"), s.CreateProfileAsOlga(t, true).ID
	w := configuredProvider(t, s.URL, key, map[string]tftypes.Value{"change_reason": tftypes.NewValue(tftypes.String, reason)})
	r := w.refresh(t, gated)
	lines, text := logOf(t, func(ctx context.Context) {
		planned := maps.Clone(r.state)
		maps.Copy(planned, renamedTo(name))
		next := newDynamicValue(t, w.profile, newObject(w.profile, planned))
		_, err := w.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{
			TypeName: profileType, PriorState: newDynamicValue(t, w.profile, newObject(w.profile, r.state)),
			PlannedState: next, Config: next, PlannedPrivate: r.private,
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), text)
	}
	got := lines[0]
	if got["request_id"] == "" || got["request_id"] == nil || got["duration_ms"] == nil {
		t.Errorf("the line has no request id or no duration: %v", got)
	}
	want := map[string]any{"@message": "HTTP request", "@level": "debug", "method": "PUT", "path": "/api/v1/profiles/" + gated, "status": 202.0, "attempt": 1.0}
	for field, value := range want {
		if got[field] != value {
			t.Errorf("%s is %v, want %v", field, got[field], value)
		}
	}
	for _, secret := range []string{key, "Bearer", "tok-SECRET", "allowed_dns_names", "requires_approval"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q: %s", secret, text)
		}
	}
}

// Each attempt of an operation is a line with its number. An attempt without an answer has the cause.
func TestLog_NumbersTheAttempts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	w := configuredProvider(t, server.URL, "ctl_a_b", map[string]tftypes.Value{"max_retries": tftypes.NewValue(tftypes.Number, 1)})
	read := func(ctx context.Context) {
		state := newDynamicValue(t, w.profile, newObject(w.profile, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, "p-cdn")}))
		if _, err := w.ReadResource(ctx, &tfprotov6.ReadResourceRequest{TypeName: profileType, CurrentState: state}); err != nil {
			t.Fatal(err)
		}
	}
	lines, text := logOf(t, read)
	var got [][]any
	for _, line := range lines {
		got = append(got, []any{line["status"], line["attempt"]})
	}
	if diff := cmp.Diff([][]any{{503.0, 1.0}, {503.0, 2.0}}, got); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	server.Close()
	if _, text = logOf(t, read); !strings.Contains(text, "HTTP request without an answer") || !strings.Contains(text, "connection refused") {
		t.Errorf("the cause is not logged: %s", text)
	}
}

// logOf returns what f logs, as lines and as text.
func logOf(t *testing.T, f func(context.Context)) (lines []map[string]any, text string) {
	t.Helper()
	var out bytes.Buffer
	f(tflogtest.RootLogger(t.Context(), &out))
	text = out.String()
	for line := range slices.Values(strings.Split(strings.TrimSpace(text), "\n")) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines, text
}
