package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Clients compare these values, and the database stores them. A value that is renamed breaks both.
func TestValues(t *testing.T) {
	want := map[string]string{
		"":              "urn:certctl:problem: ECDSA RSA Ed25519",
		"ApprovalKind":  "issuance profile_edit",
		"ApprovalOrder": "oldest newest expires_at",
		"AuditOrder":    "oldest newest",
		"ApprovalState": "pending approved rejected expired cancelled",
		"Cause": "approval_rejected approval_withdrawn approval_expired subject_changed certificate_archived edit_replaced " +
			"profile_deleted person_disabled owner_changed gate_refused issuer_failed",
		"CSRExtras":          "list refuse",
		"CertificateOutcome": "creates none updates refused",
		"CertificateStatus":  "unissued awaiting_approval issuing issued rejected expired request_expired failed cancelled",
		"Code": "malformed_request unauthenticated forbidden two_person_integrity human_required not_found no_such_route method_not_allowed not_issued request_in_progress " +
			"idempotency_key_reused already_decided approval_expired profile_disabled approval_required subject_changed digest_mismatch job_already_open edit_already_pending edit_rejected " +
			"already_exists in_use precondition_failed invalid_request body_too_large unsupported_media_type rate_limited unavailable internal",
		"EditOutcome":     "creates none applies waits refused",
		"IssuanceOutcome": "none signs waits",
		"JobStatus":       "AwaitingApproval Pending Running Completed Failed Cancelled",
		"JobType":         "Issuance Renewal",
		"PrincipalKind":   "human service",
		"RenewalOutcome":  "signs waits refused",
		"RenewalBlock":    "person_disabled profile_disabled rules approval_required issuer undecidable",
		"RequestKind":     "first renewal reissue",
		"Role":            "viewer auditor operator approver admin",
	}
	got := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range source.Decls {
			listStrings(t, decl, got)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// listStrings adds the string constants of a declaration to a list for each type.
func listStrings(t *testing.T, decl ast.Decl, lists map[string]string) {
	t.Helper()
	constants, ok := decl.(*ast.GenDecl)
	if !ok || constants.Tok != token.CONST {
		return
	}
	for _, spec := range constants.Specs {
		values := spec.(*ast.ValueSpec)
		name := ""
		if ident, ok := values.Type.(*ast.Ident); ok {
			name = ident.Name
		}
		for _, value := range values.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				continue
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			lists[name] = strings.TrimSpace(lists[name] + " " + text)
		}
	}
}
