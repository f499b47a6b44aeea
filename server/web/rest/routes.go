package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// access is who may call an operation.
type access struct {
	public bool
	roles  []api.Role // any of them; none: every principal, and the room decides
	inRoom []api.Role // what the room asks for
}

var (
	anyone    = web.Access{Public: true}
	readers   = web.Access{Roles: []api.Role{api.RoleViewer}}
	auditors  = web.Access{Roles: []api.Role{api.RoleAuditor}}
	admins    = web.Access{Roles: []api.Role{api.RoleAdmin}}
	operators = web.Access{Roles: []api.Role{api.RoleOperator}}
	// The approval room decides who may decide: it tells a requester about the two-person rule whatever his roles.
	deciders = web.Access{InRoom: []api.Role{api.RoleApprover}}
)

// routes is the table of contents of the API.
func (s *server) routes(h huma.API) {
	get(s, h, readers, "/api/v1/me", "get-me", "Who am I", s.getMe)

	get(s, h, readers, "/api/v1/profiles", "list-profiles", "List profiles", s.listProfiles)
	get(s, h, readers, "/api/v1/profiles/{id}", "get-profile", "Get a profile", s.getProfile)
	post(s, h, operators, "/api/v1/profiles", "create-profile", "Create a profile", http.StatusCreated, s.createProfile)
	post(s, h, readers, "/api/v1/profiles/preview", "preview-profile", "Tell what creating or replacing a profile would do", http.StatusOK, s.previewProfile)
	put(s, h, operators, "/api/v1/profiles/{id}", "replace-profile", "Replace a profile", s.replaceProfile)
	remove(s, h, operators, "/api/v1/profiles/{id}", "delete-profile", "Delete a profile that no certificate uses", s.deleteProfile)

	get(s, h, readers, "/api/v1/certificates", "list-certificates", "List certificates", s.listCertificates)
	get(s, h, readers, "/api/v1/certificates/{id}", "get-certificate", "Get a certificate", s.getCertificate)
	get(s, h, readers, "/api/v1/certificates/{id}/versions", "list-certificate-versions", "List what was issued for a certificate", s.listLeaves)
	get(s, h, readers, "/api/v1/certificates/{id}/chain", "get-certificate-chain", "Get the current leaf and its issuers as PEM", s.getChain)
	post(s, h, operators, "/api/v1/certificates", "create-certificate", "Create a certificate", http.StatusCreated, s.createCertificate)
	put(s, h, operators, "/api/v1/certificates/{id}", "replace-certificate", "Replace a certificate", s.replaceCertificate)
	remove(s, h, operators, "/api/v1/certificates/{id}", "delete-certificate", "Archive a certificate", s.deleteCertificate)
	post(s, h, operators, "/api/v1/certificates/{id}/renew", "renew-certificate", "Ask for a certificate to be issued", http.StatusAccepted, s.renewCertificate)
	post(s, h, readers, "/api/v1/certificates/{id}/renew/preview", "preview-renewal", "Tell what a renewal would do", http.StatusOK, s.previewRenewal)

	get(s, h, readers, "/api/v1/jobs", "list-jobs", "List jobs, newest first", s.listJobs)
	get(s, h, readers, "/api/v1/jobs/{id}", "get-job", "Get a job", s.getJob)

	get(s, h, readers, "/api/v1/approvals", "list-approvals", "List approvals", s.listApprovals)
	get(s, h, readers, "/api/v1/approvals/summary", "get-approval-summary", "Count approvals and list the oldest", s.getApprovalSummary)
	get(s, h, readers, "/api/v1/approvals/{id}", "get-approval", "Get an approval", s.getApproval)
	post(s, h, deciders, "/api/v1/approvals/{id}/approve", "approve-approval", "Approve as the second person", http.StatusOK, s.approve)
	post(s, h, deciders, "/api/v1/approvals/{id}/reject", "reject-approval", "Reject as the second person", http.StatusOK, s.reject)
	post(s, h, operators, "/api/v1/approvals/{id}/withdraw", "withdraw-approval", "Take a request back", http.StatusOK, s.withdraw)

	get(s, h, readers, "/api/v1/ungated-names", "get-ungated-names", "Get what may be signed without approval", s.getUngatedNames)

	get(s, h, auditors, "/api/v1/audit-events", "list-audit-events", "List audit events, newest first", s.listAuditEvents)

	get(s, h, admins, "/api/v1/principals", "list-principals", "List people and services", s.listPrincipals)
	get(s, h, admins, "/api/v1/principals/{id}", "get-principal", "Get a person or a service", s.getPrincipal)

	get(s, h, anyone, "/healthz", "get-health", "Is the process alive", s.getHealth)
	get(s, h, anyone, "/readyz", "get-ready", "Can the server do its work", s.getReady)
}

type handler[I, O any] func(context.Context, *I) (*O, error)

func get[I, O any](s *server, h huma.API, a web.Access, path, id, summary string, f handler[I, O]) {
	register(s, h, a, http.MethodGet, path, id, summary, http.StatusOK, f)
}

func post[I, O any](s *server, h huma.API, a web.Access, path, id, summary string, status int, f handler[I, O]) {
	register(s, h, a, http.MethodPost, path, id, summary, status, f)
}

func put[I, O any](s *server, h huma.API, a web.Access, path, id, summary string, f handler[I, O]) {
	register(s, h, a, http.MethodPut, path, id, summary, http.StatusOK, f)
}

func remove[I any](s *server, h huma.API, a web.Access, path, id, summary string, f handler[I, struct{}]) {
	register(s, h, a, http.MethodDelete, path, id, summary, http.StatusNoContent, f)
}
