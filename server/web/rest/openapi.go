package rest

import (
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// OpenAPI returns the OpenAPI document as YAML.
func OpenAPI(version string) ([]byte, error) {
	server := &web.Server{Log: slog.New(slog.DiscardHandler)}
	api := mountRoutes(server.NewEngine(), Services{Server: server, Version: version})
	completeDocument(api)
	return api.OpenAPI().YAML()
}

// completeDocument adds what huma cannot derive from the types. It returns the keys of fields that the document does not
// use.
func completeDocument(h huma.API) (unused []string) {
	describeEdit(h)
	describeAuditEvents(h)
	describeDocument(h.OpenAPI())
	correctSchemas(h.OpenAPI())
	describeDefaults(h.OpenAPI())
	return describeFields(h.OpenAPI())
}

// describeAPI documents what holds for all operations.
func describeAPI(doc *huma.OpenAPI) {
	doc.Info.Description = `certctl issues X.509 certificates. A certificate belongs to a certificate profile: the rules for what may be signed. ` +
		`Nothing is signed under a gated profile until a second person has approved that exact request.

- Every operation but those of the tag operations needs an API key: ` + "`Authorization: Bearer ctl_...`" + `.
- Bodies are JSON. Unknown fields, unknown query parameters, duplicate fields and trailing data are refused.
- Times are RFC 3339 in UTC. Durations are whole seconds, in fields that end in ` + "`_seconds`" + `.
- Lists are bare arrays. The ` + "`Link`" + ` header names the next page. The last page has none, except for followers of the audit trail.
- Errors are problem documents (RFC 9457). The code is the last part of ` + "`type`" + `.
- Every answer has an ` + "`X-Request-ID`" + `: that of the request if it matches ` + "`[A-Za-z0-9._-]{1,128}`" + `, else a new one.`
	doc.Info.Contact = &huma.Contact{Name: "certctl maintainers", URL: "https://github.com/certctl/terraform-provider-certctl"}
	doc.Info.License = &huma.License{Name: "MPL-2.0", Identifier: "MPL-2.0"}
	doc.Servers = []*huma.Server{{URL: "/", Description: "The server that serves this document."}}
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		keyScheme: {Type: "http", Scheme: "bearer", Description: "An API key. The command `certctl key create` makes one."},
	}
	doc.Components.Responses = map[string]*huma.Response{}
	doc.Components.Examples = map[string]*huma.Example{}
	doc.Tags = []*huma.Tag{
		{Name: tagProfiles, Description: "Certificate profiles: the rules for what may be signed, with or without approval."},
		{Name: tagCertificates, Description: "Certificates that certctl keeps issued, and their leaves."},
		{Name: tagJobs, Description: "Jobs: each issues one leaf of a certificate, or ends without one."},
		{Name: tagApprovals, Description: "Requests that a second person decides: issuances under gated profiles, and edits of gated profiles."},
		{Name: tagAudit, Description: "The audit trail: each change of state, and each refused decision."},
		{Name: tagPrincipals, Description: "People, services and their keys. Only commands on the database write them."},
		{Name: tagOperations, Description: "Probes and this document. These operations need no key."},
	}
}

const keyScheme = "key"

// Each operation has one of these tags.
const (
	tagProfiles     = "profiles"
	tagCertificates = "certificates"
	tagJobs         = "jobs"
	tagApprovals    = "approvals"
	tagAudit        = "audit"
	tagPrincipals   = "principals"
	tagOperations   = "operations"
)

// describeOperation documents an operation before it is registered.
func describeOperation(doc *huma.OpenAPI, op *huma.Operation, a web.Access, text documentation, common []api.Code) {
	op.Tags, op.Summary = []string{text.tag}, text.summary
	op.Description = text.description + " " + describeAccess(a)
	requireKey(op, !a.Public)
	op.Responses = problemResponses(doc, append(common, text.codes...))
}

func describeAccess(a web.Access) string {
	roles := slices.Concat(a.Roles, a.DeciderRoles)
	switch {
	case a.Public:
		return "The operation needs no key."
	case len(roles) == 0:
		return "Every principal may call the operation."
	case roles[0] == api.RoleViewer: // every role can read what a viewer can
		return "Every role may call the operation."
	default:
		return "The operation needs the role `" + string(roles[0]) + "`."
	}
}

// commonCodes returns the codes that follow from the kind of an operation.
func commonCodes(a web.Access, path string, hasBody bool) []api.Code {
	codes := []api.Code{api.CodeMalformedRequest, api.CodeInvalidRequest, api.CodeInternal}
	if !a.Public {
		codes = append(codes, api.CodeUnauthenticated, api.CodeForbidden, api.CodeRateLimited, api.CodeUnavailable)
	}
	if strings.Contains(path, "{") {
		codes = append(codes, api.CodeNoSuchRoute)
	}
	if hasBody {
		codes = append(codes, api.CodeBodyTooLarge, api.CodeUnsupportedMediaType)
	}
	return codes
}

// problemResponses returns a response for each status that the codes have.
func problemResponses(doc *huma.OpenAPI, codes []api.Code) map[string]*huma.Response {
	byStatus := map[string][]api.Code{}
	slices.Sort(codes)
	for _, code := range slices.Compact(codes) {
		kind, _ := web.KindOf(code)
		status := strconv.Itoa(kind.Status)
		byStatus[status] = append(byStatus[status], code)
	}
	responses := map[string]*huma.Response{}
	for status, codes := range byStatus {
		response := problemResponse(doc, codes)
		if len(codes) == 1 {
			doc.Components.Responses[string(codes[0])] = response
			response = &huma.Response{Ref: "#/components/responses/" + string(codes[0])}
		}
		responses[status] = response
	}
	return responses
}

// problemResponse lists codes of one status, each with an example.
func problemResponse(doc *huma.OpenAPI, codes []api.Code) *huma.Response {
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	media := &huma.MediaType{Schema: schema, Examples: map[string]*huma.Example{}}
	response := &huma.Response{Content: map[string]*huma.MediaType{web.ProblemContentType: media}, Headers: map[string]*huma.Header{}}
	lines := make([]string, len(codes))
	for i, code := range codes {
		kind, _ := web.KindOf(code)
		lines[i] = "- `" + string(code) + "`: " + kind.When
		doc.Components.Examples[string(code)] = &huma.Example{Summary: kind.Title, Value: newExampleProblem(code, kind)}
		media.Examples[string(code)] = &huma.Example{Ref: "#/components/examples/" + string(code)}
		if name := problemHeader(code); name != "" {
			response.Headers[name] = &huma.Header{Schema: &huma.Schema{Type: huma.TypeString}}
		}
	}
	response.Description = strings.TrimPrefix(strings.Join(lines, "\n"), "- ")
	if len(codes) > 1 {
		response.Description = strings.Join(lines, "\n")
	}
	return response
}

// problemHeader returns the header that is sent with a problem of this code.
func problemHeader(code api.Code) string {
	switch code {
	case api.CodeUnauthenticated:
		return "WWW-Authenticate"
	case api.CodeRateLimited, api.CodeUnavailable, api.CodeRequestInProgress:
		return "Retry-After"
	}
	return ""
}

// newExampleProblem returns a problem with the members of its code.
func newExampleProblem(code api.Code, kind web.Kind) *api.Problem {
	p := exampleProblems[code]
	p.Type = api.ProblemTypePrefix + string(code)
	p.Detail, _, _ = strings.Cut(strings.ReplaceAll(kind.When, "`", ""), ". ")
	p.Detail = strings.TrimSuffix(p.Detail, ".")
	return web.CompleteProblem(p, exampleRequestID)
}

// describeDocument adds the operations that huma serves itself.
func describeDocument(doc *huma.OpenAPI) {
	for _, format := range []struct{ extension, schemaType, name string }{{"json", huma.TypeObject, "JSON"}, {"yaml", huma.TypeString, "YAML"}} {
		op := &huma.Operation{Method: http.MethodGet, Path: "/openapi." + format.extension, OperationID: "get-openapi-" + format.extension}
		describeOperation(doc, op, anyone, documentation{
			tag: tagOperations, summary: "Get the OpenAPI document as " + format.name,
			description: "Returns this document as " + format.name + ".",
		}, []api.Code{api.CodeInternal})
		op.Responses["200"] = &huma.Response{
			Description: http.StatusText(http.StatusOK),
			Content:     map[string]*huma.MediaType{"application/openapi+" + format.extension: {Schema: &huma.Schema{Type: format.schemaType}}},
		}
		doc.AddOperation(op)
	}
}

// exampleProblems has the members that belong to single codes.
var exampleProblems = map[api.Code]api.Problem{
	api.CodeForbidden:          {Principal: "vera", RequiredRoles: []api.Role{api.RoleOperator}},
	api.CodeNotFound:           {ResourceType: "certificate", ResourceID: "mc-www"},
	api.CodeAlreadyDecided:     {State: string(api.ApprovalApproved), DecidedBy: "bob", DecidedAt: &exampleDecidedAt},
	api.CodeApprovalRequired:   {Errors: []api.Fault{{Pointer: "/sans/0", Detail: "\"www.example.com\" may not be signed without approval"}}},
	api.CodeJobAlreadyOpen:     {JobID: exampleJobID, ApprovalID: exampleApprovalID},
	api.CodeEditAlreadyPending: {ApprovalID: exampleApprovalID},
	api.CodeEditRejected:       {ApprovalID: exampleApprovalID, DecidedBy: "bob", Note: "Ninety days is our rule."},
	api.CodeAlreadyExists:      {ID: "p-shop"},
	api.CodeInUse:              {UsedBy: []api.Ref{{Type: "certificate", ID: "mc-www"}}, UsedByCount: 1},
	api.CodePreconditionFailed: {Version: 3},
	api.CodeInvalidRequest:     {Errors: []api.Fault{{Pointer: "/max_ttl_seconds", Detail: "60 is not from 3600 to 315360000"}}},
}

var exampleDecidedAt = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
