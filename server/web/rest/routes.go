package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

var (
	anyone    = web.Access{Public: true}
	readers   = web.Access{Roles: []api.Role{api.RoleViewer}}
	auditors  = web.Access{Roles: []api.Role{api.RoleAuditor}}
	admins    = web.Access{Roles: []api.Role{api.RoleAdmin}}
	operators = web.Access{Roles: []api.Role{api.RoleOperator}}
	// Package approval checks who may decide, so that a requester without the role learns of the two-person rule.
	deciders = web.Access{DeciderRoles: []api.Role{api.RoleApprover}}
	// Package approval checks who may withdraw: a requester who lost the role still may.
	withdrawers = web.Access{}
)

// documentation describes an operation in the OpenAPI document. describeOperation adds who may call the operation, and the
// codes that commonCodes returns.
type documentation struct {
	tag         string
	summary     string
	description string
	codes       []api.Code
}

// addRoutes registers every operation of the API.
func (s *server) addRoutes(h huma.API) {
	s.addProfileRoutes(h)
	s.addCertificateRoutes(h)
	s.addJobRoutes(h)
	s.addApprovalRoutes(h)
	s.addAuditRoutes(h)
	s.addPrincipalRoutes(h)
	s.addOperationRoutes(h)
}

func (s *server) addProfileRoutes(h huma.API) {
	get(s, h, readers, "/api/v1/profiles", "list-profiles", s.listProfiles, documentation{
		tag: tagProfiles, summary: "List profiles",
		description: "Returns the certificate profiles, oldest first.",
	})
	get(s, h, readers, "/api/v1/profiles/{id}", "get-profile", s.getProfile, documentation{
		tag: tagProfiles, summary: "Get a profile",
		description: "Returns a certificate profile, with its version as `ETag`.",
		codes:       []api.Code{api.CodeNotFound},
	})
	post(s, h, operators, "/api/v1/profiles", "create-profile", http.StatusCreated, s.createProfile, documentation{
		tag: tagProfiles, summary: "Create a profile",
		description: "Creates a certificate profile. It applies at once, with or without a gate.",
		codes:       addRetryCodes(api.CodeAlreadyExists),
	})
	post(s, h, readers, "/api/v1/profiles/preview", "preview-profile", http.StatusOK, s.previewProfile, documentation{
		tag: tagProfiles, summary: "Preview a new or replaced profile",
		description: "Tells what creating or replacing a profile would do for the caller, and stores nothing. " +
			"A body with the `id` of a profile that exists previews an edit; any other body previews a new profile. " +
			"If the write would be refused, `problem` has the refusal.",
	})
	put(s, h, operators, "/api/v1/profiles/{id}", "replace-profile", s.replaceProfile, documentation{
		tag: tagProfiles, summary: "Replace a profile",
		description: "Replaces the whole profile; a field that is left out takes its default. " +
			"If the profile is gated, an edit of a rule waits until another person approves it. " +
			"The stored profile stays the same until then. " +
			"Edits of `description` and `labels`, turning the gate on and disabling the profile never wait.",
		codes: []api.Code{
			api.CodeNotFound, api.CodeAlreadyExists, api.CodeEditAlreadyPending, api.CodeEditRejected, api.CodePreconditionFailed,
		},
	})
	remove(s, h, operators, "/api/v1/profiles/{id}", "delete-profile", s.deleteProfile, documentation{
		tag: tagProfiles, summary: "Delete a profile",
		description: "Deletes a profile that no live certificate uses. An edit that awaits approval is cancelled.",
		codes:       []api.Code{api.CodeNotFound, api.CodeInUse, api.CodePreconditionFailed},
	})
	get(s, h, readers, "/api/v1/ungated-names", "get-ungated-names", s.getUngatedNames, documentation{
		tag: tagProfiles, summary: "Get the names that need no approval",
		description: "Returns what may be signed under a profile without a gate. Only the command `certctl ungated-names` writes the list.",
	})
}

func (s *server) addCertificateRoutes(h huma.API) {
	get(s, h, readers, "/api/v1/certificates", "list-certificates", s.listCertificates, documentation{
		tag: tagCertificates, summary: "List certificates",
		description: "Returns the live certificates, or the archived ones, oldest first.",
	})
	get(s, h, readers, "/api/v1/certificates/{id}", "get-certificate", s.getCertificate, documentation{
		tag: tagCertificates, summary: "Get a certificate",
		description: "Returns a certificate with its current leaf, its newest job and the state of the approval of that job. " +
			"The version is the `ETag`.",
		codes: []api.Code{api.CodeNotFound},
	})
	get(s, h, readers, "/api/v1/certificates/{id}/versions", "list-certificate-versions", s.listLeaves, documentation{
		tag: tagCertificates, summary: "List the leaves of a certificate",
		description: "Returns every leaf that was issued for the certificate, newest first.",
		codes:       []api.Code{api.CodeNotFound},
	})
	get(s, h, readers, "/api/v1/certificates/{id}/chain", "get-certificate-chain", s.getChain, documentation{
		tag: tagCertificates, summary: "Get the chain of a certificate",
		description: "Returns the current leaf and its issuers as PEM, the leaf first.",
		codes:       []api.Code{api.CodeNotFound, api.CodeNotIssued},
	})
	post(s, h, operators, "/api/v1/certificates", "create-certificate", http.StatusCreated, s.createCertificate, documentation{
		tag: tagCertificates, summary: "Create a certificate",
		description: "Creates a certificate: names, public key and profile. " +
			"Nothing is signed, unless `?issue=true` asks for issuance in the same transaction. " +
			"Under a gated profile that issuance waits until another person approves it.",
		codes: addRetryCodes(api.CodeAlreadyExists, api.CodeProfileDisabled, api.CodeApprovalRequired),
	})
	post(s, h, readers, "/api/v1/certificates/preview", "preview-certificate", http.StatusOK, s.previewCertificate, documentation{
		tag: tagCertificates, summary: "Preview a new or replaced certificate",
		description: "Tells what creating or replacing a certificate would do for the caller, and stores nothing. " +
			"A body with the `id` of a certificate that exists previews an edit; any other body previews a new certificate. " +
			"With `?issue=true` it also tells what the issuance would do. If the write would be refused, `problem` has the refusal.",
	})
	put(s, h, operators, "/api/v1/certificates/{id}", "replace-certificate", s.replaceCertificate, documentation{
		tag: tagCertificates, summary: "Replace a certificate",
		description: "Replaces the whole certificate; the profile stays the same. " +
			"A request that awaits approval is cancelled if the edit changes what it would sign. " +
			"While a job is `Pending` or `Running`, such an edit is refused. " +
			"With `?issue=true` the call also asks for issuance.",
		codes: []api.Code{
			api.CodeNotFound, api.CodeProfileDisabled, api.CodeApprovalRequired, api.CodeJobAlreadyOpen, api.CodePreconditionFailed,
		},
	})
	remove(s, h, operators, "/api/v1/certificates/{id}", "delete-certificate", s.deleteCertificate, documentation{
		tag: tagCertificates, summary: "Archive a certificate",
		description: "Archives the certificate. A request that awaits approval is cancelled, and the id is free again. " +
			"Leaves, jobs, approvals and audit events stay.",
		codes: []api.Code{api.CodeNotFound, api.CodeInUse, api.CodePreconditionFailed},
	})
	post(s, h, operators, "/api/v1/certificates/{id}/renew", "renew-certificate", http.StatusAccepted, s.renewCertificate, documentation{
		tag: tagCertificates, summary: "Request issuance of a certificate",
		description: "Opens a job that issues the certificate, for the first time or again. " +
			"Without a gate the job is `Pending`, and a worker signs soon. " +
			"Under a gated profile the job is `AwaitingApproval` until another person approves it. " +
			"The answer names the job, and the job names the approval.",
		codes: addRetryCodes(
			api.CodeNotFound, api.CodeProfileDisabled, api.CodeApprovalRequired, api.CodeDigestMismatch, api.CodeJobAlreadyOpen,
		),
	})
	post(s, h, readers, "/api/v1/certificates/{id}/renew/preview", "preview-renewal", http.StatusOK, s.previewRenewal, documentation{
		tag: tagCertificates, summary: "Preview the issuance of a certificate",
		description: "Tells what a renewal with the same body would do for the caller, and stores nothing. " +
			"If the renewal would be refused, `problem` has the refusal. An `Idempotency-Key` is ignored.",
		codes: []api.Code{api.CodeNotFound},
	})
}

func (s *server) addJobRoutes(h huma.API) {
	get(s, h, readers, "/api/v1/jobs", "list-jobs", s.listJobs, documentation{
		tag: tagJobs, summary: "List jobs",
		description: "Returns the jobs, newest first.",
	})
	get(s, h, readers, "/api/v1/jobs/{id}", "get-job", s.getJob, documentation{
		tag: tagJobs, summary: "Get a job",
		description: "Returns a job.",
		codes:       []api.Code{api.CodeNotFound},
	})
}

func (s *server) addApprovalRoutes(h huma.API) {
	get(s, h, readers, "/api/v1/approvals", "list-approvals", s.listApprovals, documentation{
		tag: tagApprovals, summary: "List approvals",
		description: "Returns the approvals of every state, oldest first unless `order` says otherwise.",
	})
	get(s, h, readers, "/api/v1/approvals/summary", "get-approval-summary", s.getApprovalSummary, documentation{
		tag: tagApprovals, summary: "Summarize approvals",
		description: "Counts approvals and lists the oldest, from one snapshot of the database. Only pending approvals count unless `state` is given.",
	})
	get(s, h, readers, "/api/v1/approvals/{id}", "get-approval", s.getApproval, documentation{
		tag: tagApprovals, summary: "Get an approval",
		description: "Returns an approval: what was requested, by whom, who may not decide, and the decision.",
		codes:       []api.Code{api.CodeNotFound},
	})
	get(s, h, readers, "/api/v1/approvals/{id}/eligibility", "get-eligibility", s.getEligibility, documentation{
		tag: tagApprovals, summary: "Show who may decide",
		description: "Says who may decide a request now, who may not and why, and whether the caller may.",
		codes:       []api.Code{api.CodeNotFound},
	})
	post(s, h, deciders, "/api/v1/approvals/{id}/approve", "approve-approval", http.StatusOK, s.approve, documentation{
		tag: tagApprovals, summary: "Approve a request",
		description: "Approves a pending request as the second person. " +
			"An approved job becomes `Pending`; an approved edit applies to its profile in the same transaction. " +
			"The caller must be a human whom the approval does not exclude.",
		codes: addDecisionCodes(api.CodeProfileDisabled, api.CodeSubjectChanged),
	})
	post(s, h, deciders, "/api/v1/approvals/{id}/reject", "reject-approval", http.StatusOK, s.reject, documentation{
		tag: tagApprovals, summary: "Reject a request",
		description: "Rejects a pending request as the second person. Its job is cancelled, and an edit does not apply. " +
			"The caller must be a human whom the approval does not exclude.",
		codes: addDecisionCodes(),
	})
	post(s, h, withdrawers, "/api/v1/approvals/{id}/withdraw", "withdraw-approval", http.StatusOK, s.withdraw, documentation{
		tag: tagApprovals, summary: "Withdraw a request",
		description: "Cancels a pending request. The accountable person, their services, and any operator may withdraw it: nothing is signed by that.",
		codes:       addRetryCodes(api.CodeNotFound, api.CodeAlreadyDecided, api.CodeApprovalExpired),
	})
}

func (s *server) addAuditRoutes(h huma.API) {
	get(s, h, auditors, "/api/v1/audit-events", "list-audit-events", s.listAuditEvents, documentation{
		tag: tagAudit, summary: "List audit events",
		description: "Returns the audit events, newest first. Each change of state is one event, written in the same transaction. " +
			"With `order=oldest` the list can be followed: go on from each answer's `Link`, also when the answer is empty, " +
			"and each event comes exactly once. " +
			"With `Accept: application/x-ndjson` the answer has one event in each line.",
	})
}

func (s *server) addPrincipalRoutes(h huma.API) {
	get(s, h, readers, "/api/v1/me", "get-me", s.getMe, documentation{
		tag: tagPrincipals, summary: "Get the caller",
		description: "Returns the principal and the key that the request was made with.",
	})
	get(s, h, admins, "/api/v1/principals", "list-principals", s.listPrincipals, documentation{
		tag: tagPrincipals, summary: "List principals",
		description: "Returns the people and services, oldest first. Only commands on the database write them.",
	})
	get(s, h, admins, "/api/v1/principals/{id}", "get-principal", s.getPrincipal, documentation{
		tag: tagPrincipals, summary: "Get a principal",
		description: "Returns a person or a service with its keys, without their secrets.",
		codes:       []api.Code{api.CodeNotFound},
	})
}

func (s *server) addOperationRoutes(h huma.API) {
	get(s, h, anyone, "/healthz", "get-health", s.getHealth, documentation{
		tag: tagOperations, summary: "Check that the process is alive",
		description: "Answers while the process runs.",
	})
	get(s, h, anyone, "/readyz", "get-ready", s.getReady, documentation{
		tag: tagOperations, summary: "Check that the server can work",
		description: "Answers 200 if the server can write to the database, the schema is current, and both clocks agree within two seconds. " +
			"The answer may be a second old.",
		codes: []api.Code{api.CodeUnavailable},
	})
}

// addRetryCodes adds the codes of the Idempotency-Key.
func addRetryCodes(codes ...api.Code) []api.Code {
	return append(codes, api.CodeRequestInProgress, api.CodeIdempotencyKeyReused)
}

// addDecisionCodes adds the codes that approve and reject have in common.
func addDecisionCodes(codes ...api.Code) []api.Code {
	return append(addRetryCodes(codes...),
		api.CodeTwoPersonIntegrity, api.CodeHumanRequired, api.CodeNotFound,
		api.CodeAlreadyDecided, api.CodeApprovalExpired, api.CodeDigestMismatch)
}

type handler[I, O any] func(context.Context, *I) (*O, error)

func get[I, O any](s *server, h huma.API, a web.Access, path, id string, f handler[I, O], text documentation) {
	register(s, h, a, http.MethodGet, path, id, http.StatusOK, f, text)
}

func post[I, O any](s *server, h huma.API, a web.Access, path, id string, status int, f handler[I, O], text documentation) {
	register(s, h, a, http.MethodPost, path, id, status, f, text)
}

func put[I, O any](s *server, h huma.API, a web.Access, path, id string, f handler[I, O], text documentation) {
	register(s, h, a, http.MethodPut, path, id, http.StatusOK, f, text)
}

func remove[I any](s *server, h huma.API, a web.Access, path, id string, f handler[I, struct{}], text documentation) {
	register(s, h, a, http.MethodDelete, path, id, http.StatusNoContent, f, text)
}
