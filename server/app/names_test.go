package app

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// Dashboards and alerts read the metrics by name and label.
func TestMetrics_KeepTheirNames(t *testing.T) {
	db, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "certctl.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	server, err := New(ServeConfig{
		Listen: "127.0.0.1:0", JobAwaitingApprovalTimeout: time.Hour, Workers: 1, ReaperInterval: time.Second, RenewalInterval: time.Second, IssueWithin: time.Hour,
	}, Options{Store: db, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		server.Registry.Describe(descriptions)
		close(descriptions)
	}()
	form := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: {([^}]*)}`)
	got := map[string]string{}
	for d := range descriptions {
		parts := form.FindStringSubmatch(d.String())
		if parts == nil {
			t.Fatal(d)
		}
		if strings.HasPrefix(parts[1], "certctl_") { // the others are those of Go and of the process
			got[parts[1]] = parts[2]
		}
	}
	want := map[string]string{
		"certctl_approval_bypass_enabled":            "",
		"certctl_approval_decisions_total":           "outcome,profile_id",
		"certctl_approval_oldest_pending_seconds":    "",
		"certctl_approval_pending_age_seconds":       "",
		"certctl_approvals_cancelled_total":          "profile_id,cause",
		"certctl_approvals_pending":                  "profile_id",
		"certctl_background_failed":                  "step",
		"certctl_build_info":                         "version,revision,go_version",
		"certctl_ca_not_after_timestamp_seconds":     "issuer_id,subject",
		"certctl_clock_offset_seconds":               "",
		"certctl_approvals_undecidable":              "profile_id",
		"certctl_certificates_expiring":              "profile_id,within",
		"certctl_jobs_retrying":                      "",
		"certctl_renewals_blocked":                   "profile_id,reason",
		"certctl_http_request_duration_seconds":      "method,route,status",
		"certctl_issuances_total":                    "profile_id,outcome",
		"certctl_job_duration_seconds":               "",
		"certctl_jobs":                               "status",
		"certctl_jobs_finished_total":                "status",
		"certctl_keys_expiring":                      "within",
		"certctl_message_deliveries_total":           "receiver,outcome",
		"certctl_message_oldest_undelivered_seconds": "",
		"certctl_messages_failed":                    "",
		"certctl_ready":                              "",
		"certctl_ungated_names_unrestricted":         "",
		"certctl_tls_reload_failed":                  "",
		"certctl_tls_not_after_timestamp_seconds":    "",
		"certctl_up":                                 "part",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Clients act on the code and the status of a problem.
func TestProblems_KeepTheirCodes(t *testing.T) {
	want := map[api.Code]int{
		"malformed_request":      http.StatusBadRequest,
		"unauthenticated":        http.StatusUnauthorized,
		"forbidden":              http.StatusForbidden,
		"two_person_integrity":   http.StatusForbidden,
		"human_required":         http.StatusForbidden,
		"not_found":              http.StatusNotFound,
		"no_such_route":          http.StatusNotFound,
		"method_not_allowed":     http.StatusMethodNotAllowed,
		"not_issued":             http.StatusConflict,
		"request_in_progress":    http.StatusConflict,
		"idempotency_key_reused": http.StatusUnprocessableEntity,
		"already_decided":        http.StatusConflict,
		"approval_expired":       http.StatusConflict,
		"profile_disabled":       http.StatusConflict,
		"approval_required":      http.StatusConflict,
		"subject_changed":        http.StatusConflict,
		"digest_mismatch":        http.StatusConflict,
		"job_already_open":       http.StatusConflict,
		"edit_already_pending":   http.StatusConflict,
		"edit_rejected":          http.StatusConflict,
		"already_exists":         http.StatusConflict,
		"in_use":                 http.StatusConflict,
		"precondition_failed":    http.StatusPreconditionFailed,
		"invalid_request":        http.StatusUnprocessableEntity,
		"body_too_large":         http.StatusRequestEntityTooLarge,
		"unsupported_media_type": http.StatusUnsupportedMediaType,
		"rate_limited":           http.StatusTooManyRequests,
		"unavailable":            http.StatusServiceUnavailable,
		"internal":               http.StatusInternalServerError,
	}
	got := map[api.Code]int{}
	for code := range want {
		kind, known := web.KindOf(code)
		if known {
			got[code] = kind.Status
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The provider's variables count as known: the provider and the server may run in one environment.
func TestVariables_KeepTheirNames(t *testing.T) {
	want := []string{
		"CERTCTL_API_KEY",
		"CERTCTL_APPROVAL_BYPASS",
		"CERTCTL_AUDIT_LOG",
		"CERTCTL_BEHIND_TLS_PROXY",
		"CERTCTL_CA_CERT_FILE",
		"CERTCTL_CA_FILE",
		"CERTCTL_CA_KEY_FILE",
		"CERTCTL_CHANGE_AUTHORS",
		"CERTCTL_CHANGE_REASON",
		"CERTCTL_CONSOLE",
		"CERTCTL_DATABASE_URL",
		"CERTCTL_DATABASE_WAIT",
		"CERTCTL_DATA_DIR",
		"CERTCTL_ENDPOINT",
		"CERTCTL_EXTERNAL_URL",
		"CERTCTL_ISSUE_WITHIN",
		"CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT",
		"CERTCTL_LISTEN",
		"CERTCTL_LOG_FORMAT",
		"CERTCTL_LOG_LEVEL",
		"CERTCTL_METRICS_LISTEN",
		"CERTCTL_NOTIFY_NAMES",
		"CERTCTL_NOTIFY_REMINDERS",
		"CERTCTL_NOTIFY_URLS_FILE",
		"CERTCTL_PGBOUNCER",
		"CERTCTL_REAPER_INTERVAL",
		"CERTCTL_RENEWAL_INTERVAL",
		"CERTCTL_RENEWAL_RETRY_AFTER",
		"CERTCTL_RESUBMIT_REJECTED",
		"CERTCTL_TLS_CERT_FILE",
		"CERTCTL_TLS_KEY_FILE",
		"CERTCTL_TRUSTED_PROXIES",
		"CERTCTL_WEBHOOK_SECRET_FILE",
		"CERTCTL_WEBHOOK_URL",
		"CERTCTL_WORKERS",
	}
	if diff := cmp.Diff(want, knownVariables()); diff != "" {
		t.Error(diff)
	}
}

// Readers of the audit trail search for these actions. The test collects them from the calls that append an event.
func TestAuditActions_KeepTheirNames(t *testing.T) {
	want := []string{
		"approval_approved",
		"approval_bypassed",
		"approval_cancelled",
		"approval_expired",
		"approval_rejected",
		"approval_requested",
		"approval_withdrawn",
		"certificate_archived",
		"certificate_created",
		"certificate_issued",
		"certificate_updated",
		"decision_denied",
		"issuance_admitted",
		"issuance_failed",
		"issuance_refused",
		"issuance_requested",
		"issuance_retried",
		"issuer_added",
		"issuer_replaced",
		"key_created",
		"key_revoked",
		"principal_created",
		"principal_disabled",
		"principal_enabled",
		"principal_handed_over",
		"principal_owner_changed",
		"principal_roles_changed",
		"profile_created",
		"profile_deleted",
		"profile_updated",
		"ungated_names_changed",
	}
	got := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(source, func(n ast.Node) bool {
			for _, action := range findActions(n) {
				got[action] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Error(diff)
	}
}

var actionForm = regexp.MustCompile(`^"([a-z]+(?:_[a-z]+)+)"$`)

// findActions returns the actions of an audit event: in a call, in a field or in an assignment.
func findActions(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.CallExpr:
		if name, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"appendAudit", "update"}, name.Name) {
			return parseActions(n.Args[:min(len(n.Args), 3)])
		}
	case *ast.KeyValueExpr:
		if name, ok := n.Key.(*ast.Ident); ok && name.Name == "Action" {
			return parseActions([]ast.Expr{n.Value})
		}
	case *ast.AssignStmt:
		if name, ok := n.Lhs[0].(*ast.Ident); ok && name.Name == "action" {
			return parseActions(n.Rhs[:1])
		}
	}
	return nil
}

func parseActions(values []ast.Expr) []string {
	var actions []string
	for _, value := range values {
		literal, ok := value.(*ast.BasicLit)
		if !ok {
			continue
		}
		if parts := actionForm.FindStringSubmatch(literal.Value); parts != nil {
			actions = append(actions, parts[1])
		}
	}
	return actions
}
