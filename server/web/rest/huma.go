package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// This file has every workaround for huma.

// init sets huma's options for the whole process: arrays are never null, and errors are certctl's problems.
func init() { //nolint:gochecknoinits // huma has these as package variables
	huma.DefaultArrayNullable = false
	huma.NewError = newError
	huma.NewErrorWithContext = newErrorWithContext
}

func newConfig(version string) huma.Config {
	c := huma.DefaultConfig("certctl", version)
	describeAPI(c.OpenAPI)
	c.CreateHooks = nil
	c.DocsPath = ""
	c.SchemasPath = ""
	c.Formats = map[string]huma.Format{ // json: for types that end in +json
		"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat,
	}
	c.DefaultFormat = "application/json"
	return c
}

const accessKey = "access"

func register[I, O any](s *server, h huma.API, a web.Access, method, path, id string, status int, f handler[I, O], text documentation) {
	in, hasBody := any(new(I)).(bodyDescriber)
	op := huma.Operation{
		Method: method, Path: path, OperationID: id, DefaultStatus: status,
		MaxBodyBytes: maxBodyBytes + 1, // huma refuses a body of exactly its limit
		Metadata:     map[string]any{accessKey: a},
	}
	describeOperation(h.OpenAPI(), &op, a, text, commonCodes(a, path, hasBody))
	var body *huma.RequestBody
	if hasBody {
		schemas := h.OpenAPI().Components.Schemas
		body, op.RequestBody, op.SkipValidateBody = in.describeBody(schemas), &huma.RequestBody{}, true
		op.Metadata[formKey] = form{body.Content["application/json"].Schema, schemas}
	}
	huma.Register(h, op, func(ctx context.Context, in *I) (*O, error) {
		if faults := queryFaultsOf(ctx); len(faults) > 0 {
			return nil, s.newProblemError(ctx, api.Invalid(faults...))
		}
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		out, err := f(ctx, in)
		if err != nil {
			return nil, s.newProblemError(ctx, err)
		}
		return out, nil
	})
	if body != nil {
		*op.RequestBody = *body // huma documents a raw body as a required string
	}
}

// newProblemError turns an error of a service into the problem that huma sends.
func (s *server) newProblemError(ctx context.Context, err error) error {
	problem, headers := s.ProblemOf(ctx, err)
	p := web.CompleteProblem(*problem, identity.RequestID(ctx))
	if len(headers) == 0 {
		return p
	}
	return huma.ErrorWithHeaders(p, headers)
}

// newError turns an error of huma into a problem of certctl.
func newError(status int, message string, errs ...error) huma.StatusError {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return web.CompleteProblem(*api.Refuse(api.CodeBodyTooLarge, "the body is larger than %d bytes", maxBodyBytes), "")
	case status == http.StatusUnsupportedMediaType:
		return web.CompleteProblem(*api.Refuse(api.CodeUnsupportedMediaType, "send Content-Type: application/json"), "")
	case status == http.StatusBadRequest, status == http.StatusRequestTimeout, message == unreadableMessage:
		return web.CompleteProblem(*api.Refuse(api.CodeMalformedRequest, "%s", message), "")
	case status >= http.StatusInternalServerError:
		return web.CompleteProblem(*api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"), "")
	}
	return web.CompleteProblem(*invalidProblem(errs), "")
}

// unreadableMessage is huma's message for a body that broke off. The caller caused it, not the server.
const unreadableMessage = "cannot read request body"

// newErrorWithContext adds the id of the request and the faults of its query. If a parameter has such a fault, huma's
// faults of that parameter are dropped.
func newErrorWithContext(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	faults := queryFaultsOf(ctx.Context())
	errs = slices.DeleteFunc(errs, func(err error) bool {
		var detail *huma.ErrorDetail
		return errors.As(err, &detail) && slices.ContainsFunc(faults, func(f api.Fault) bool { return f.Pointer == pointerOf(detail.Location) })
	})
	errs = append(asErrors(faults), errs...)
	err := newError(status, message, errs...)
	if p, ok := err.(*api.Problem); ok {
		p.RequestID = identity.RequestID(ctx.Context())
	}
	return err
}

// invalidProblem lists every fault of form. If one of the errors is a problem, it returns that problem instead.
func invalidProblem(errs []error) *api.Problem {
	var faults []api.Fault
	for _, err := range errs {
		var refusal *api.Problem
		if errors.As(err, &refusal) {
			return refusal
		}
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			detail = &huma.ErrorDetail{Message: "is not valid"}
		}
		if strings.HasPrefix(detail.Location, "path.") {
			return api.Refuse(api.CodeNoSuchRoute, "there is no such route: a part of the path is empty")
		}
		if strings.HasPrefix(detail.Message, "invalid date/time") { // the rest is a layout of package time
			detail.Message = "is no time: write it like 2026-01-05T09:00:00Z"
		}
		faults = append(faults, api.Fault{Pointer: pointerOf(detail.Location), Detail: detail.Message})
	}
	return api.Invalid(faults...)
}

// pointerPrefix marks a location that already is a pointer.
const pointerPrefix = "pointer."

// pointerOf turns huma's location of a parameter, such as query.limit, into ?limit.
func pointerOf(location string) string {
	if at, ok := strings.CutPrefix(location, pointerPrefix); ok {
		return at
	}
	if name, ok := strings.CutPrefix(location, "query."); ok {
		name, _, _ = strings.Cut(name, "[") // an element of a parameter that may be repeated
		return "?" + name
	}
	return location
}

// RequiredBody is a JSON body that must be sent. form.go checks it.
type RequiredBody[T any] struct {
	RawBody []byte `contentType:"application/json"`

	value T
}

// OptionalBody is a JSON body that may be left out.
type OptionalBody[T any] struct{ RequiredBody[T] }

// Resolve implements huma.Resolver. Keep this method. Without it a shallower embedded Resolve would be promoted and this
// one skipped. With two at the same depth Go promotes neither, and huma calls both.
func (b *OptionalBody[T]) Resolve(ctx huma.Context) []error { return b.RequiredBody.Resolve(ctx) }

// bodyDescriber is an input that has a body.
type bodyDescriber interface {
	describeBody(huma.Registry) *huma.RequestBody
}

func (b *RequiredBody[T]) describeBody(r huma.Registry) *huma.RequestBody {
	return &huma.RequestBody{
		Required: true,
		Content:  map[string]*huma.MediaType{"application/json": {Schema: r.Schema(reflect.TypeFor[T](), true, "")}},
	}
}

func (b *OptionalBody[T]) describeBody(r huma.Registry) *huma.RequestBody {
	body := b.RequiredBody.describeBody(r)
	body.Required = false
	return body
}

// defaulter is a body whose missing fields have defaults. A field that is sent replaces its default, even with false or
// an empty list.
type defaulter interface{ setDefaults() }

// Resolve implements huma.Resolver. It checks the form of the body and decodes it. huma reports its faults together with
// those of the parameters.
func (b *RequiredBody[T]) Resolve(ctx huma.Context) []error {
	if len(b.RawBody) == 0 {
		return nil // huma has already refused a required body that is missing
	}
	faults, err := ctx.Operation().Metadata[formKey].(form).check(b.RawBody)
	if err != nil {
		return []error{err}
	}
	if len(faults) > 0 {
		return asErrors(faults)
	}
	if d, ok := any(&b.value).(defaulter); ok {
		d.setDefaults()
	}
	if err := json.Unmarshal(b.RawBody, &b.value); err != nil {
		return asErrors([]api.Fault{{Detail: "the body does not have the form of the schema"}})
	}
	return nil
}

func asErrors(faults []api.Fault) []error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = &huma.ErrorDetail{Location: pointerPrefix + f.Pointer, Message: f.Detail}
	}
	return errs
}

// Resolve implements huma.Resolver. huma itself reads only the first line of a header, and ignores an empty line.
func (m *IfMatch) Resolve(ctx huma.Context) []error {
	m.headers = humagin.Unwrap(ctx).Request.Header.Values("If-Match")
	return nil
}

// Resolve implements huma.Resolver.
func (o *RetryInput) Resolve(ctx huma.Context) []error {
	request := humagin.Unwrap(ctx).Request
	if len(request.Header.Values("Idempotency-Key")) > 1 {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "given more than once"}}
	}
	if fault := rules.LineFault(o.IdempotencyKey); fault != "" {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: fault}}
	}
	o.target = request.Method + " " + request.URL.RequestURI()
	return nil
}

// authenticate refuses a caller who may not call the operation, before the body is read.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	access, declared := ctx.Operation().Metadata[accessKey].(web.Access)
	if declared && access.Public {
		next(ctx)
		return
	}
	caller, err := s.Authenticate(humagin.Unwrap(ctx).Request, access)
	if err == nil && !declared {
		err = errors.New("an operation does not say who may call it")
	}
	if err != nil {
		s.sendRefusal(ctx, err)
		return
	}
	next(huma.WithContext(ctx, web.WithCaller(ctx.Context(), caller)))
}

func (s *server) sendRefusal(ctx huma.Context, err error) {
	problem, headers := s.ProblemOf(ctx.Context(), err)
	c := humagin.Unwrap(ctx)
	for name, values := range headers {
		c.Writer.Header()[http.CanonicalHeaderKey(name)] = values
	}
	web.SendProblem(c, problem)
}

// checkRequest refuses a body that is no JSON, and finds faulty parameters of the query. Their faults are reported together
// with those of the values and of the body.
func checkRequest(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	if ctx.Operation().RequestBody != nil {
		has, err := hasBody(c.Request)
		if err != nil {
			web.SendProblem(c, api.Refuse(api.CodeMalformedRequest, "the body could not be read"))
			return
		}
		if has && !isJSON(c.GetHeader("Content-Type")) {
			web.SendProblem(c, api.Refuse(api.CodeUnsupportedMediaType, "send Content-Type: application/json"))
			return
		}
	}
	faults, err := checkQuery(c.Request.URL.RawQuery, ctx.Operation())
	if err != nil {
		web.SendProblem(c, api.Refuse(api.CodeMalformedRequest, "the query cannot be read"))
		return
	}
	next(huma.WithValue(ctx, queryFaultsKey{}, faults))
}

type queryFaultsKey struct{}

func queryFaultsOf(ctx context.Context) []api.Fault {
	faults, _ := ctx.Value(queryFaultsKey{}).([]api.Fault)
	return faults
}

func checkQuery(raw string, op *huma.Operation) ([]api.Fault, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, err
	}
	var faults []api.Fault
	for _, name := range slices.Sorted(maps.Keys(query)) {
		detail := parameterFault(op, name, query[name])
		if detail != "" {
			faults = append(faults, api.Fault{Pointer: "?" + name, Detail: detail})
		}
	}
	return faults, nil
}

// hasBody reports whether a request has a body. If the length is unknown, it reads the first byte and puts it back.
func hasBody(r *http.Request) (bool, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return false, nil
	}
	if r.ContentLength > 0 {
		return true, nil
	}
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first[:n]), rest), rest}
	return true, err
}

func isJSON(contentType string) bool {
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && mediaType == "application/json" && (charset == "" || charset == "utf-8" || charset == "UTF-8")
}

// retiredParameters are parameters that older clients send, with the text that names the replacement.
var retiredParameters = map[string]map[string]string{
	"replace-profile": {"dry_run": "is replaced: send the body, with the id of the profile, to POST /api/v1/profiles/preview"},
}

func parameterFault(op *huma.Operation, name string, values []string) string {
	if detail, retired := retiredParameters[op.OperationID][name]; retired {
		return detail
	}
	at := slices.IndexFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
	if at < 0 {
		return "is no parameter here"
	}
	if list := op.Parameters[at].Schema.Type == huma.TypeArray; len(values) > 1 && !list {
		return "is given more than once"
	}
	for i, value := range values {
		if value == "" {
			return "has no value"
		}
		if slices.Contains(values[:i], value) {
			return "is given twice with the same value"
		}
		if fault := textFault(jsontext.Pointer("/"+name), value); fault != "" {
			return fault
		}
	}
	return ""
}

// requireKey documents whether an operation needs a key. huma omits an empty list, so it is set as an extension.
func requireKey(op *huma.Operation, required bool) {
	if required {
		op.Security = []map[string][]string{{keyScheme: {}}}
		return
	}
	op.Extensions = map[string]any{"security": []any{}}
}

// correctSchemas documents that an answer has every field, which objects may be null, and that a chain is PEM.
func correctSchemas(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	for _, answer := range []string{"Certificate", "Profile", "EditedProfile"} {
		schemas[answer].Required = slices.Sorted(maps.Keys(schemas[answer].Properties))
	}
	edited := schemas["EditedProfile"]
	edited.Required = slices.DeleteFunc(edited.Required, func(name string) bool { return name == "effects" })
	for _, nullable := range [][2]string{
		{"Certificate", "current"},
		{"Certificate", "job"},
		{"EditPreview", "problem"},
		{"Approval", "context"},
		{"Approval", "effects"},
		{"Approval", "previous"},
		{"IssuanceContext", "current"},
		{"CertificatePreview", "problem"},
		{"RenewalPreview", "context"},
		{"RenewalPreview", "problem"},
	} {
		fields, name := schemas[nullable[0]].Properties, nullable[1]
		fields[name] = &huma.Schema{OneOf: []*huma.Schema{{Ref: fields[name].Ref}, {Type: "null"}}, Description: fields[name].Description}
	}
	for _, free := range [][2]string{{"Change", "before"}, {"Change", "after"}, {"RenewalPreview", "subject"}} {
		field := schemas[free[0]].Properties[free[1]]
		*field = huma.Schema{AnyOf: []*huma.Schema{{}, {Type: "null"}}, Description: field.Description}
	}
	pem := doc.Paths["/api/v1/certificates/{id}/chain"].Get.Responses["200"]
	pem.Headers = nil
	pem.Description = "The leaf and its issuers."
	pem.Content = map[string]*huma.MediaType{chainContentType: {Schema: &huma.Schema{Type: huma.TypeString}, Example: exampleCertificate + exampleCertificate}}
}

// describeEdit documents both answers to a PUT of a profile: huma knows only one answer for each operation.
func describeEdit(h huma.API) {
	put := h.OpenAPI().Paths["/api/v1/profiles/{id}"].Put
	schemas := h.OpenAPI().Components.Schemas
	edited := schemas.Schema(reflect.TypeFor[api.EditedProfile](), true, "")
	waiting := schemas.Schema(reflect.TypeFor[api.Approval](), true, "")
	headers := put.Responses["200"].Headers
	put.Responses["200"] = &huma.Response{
		Description: "The profile, after an edit that applied at once.",
		Headers:     map[string]*huma.Header{"ETag": headers["ETag"]}, Content: jsonContent(edited),
	}
	put.Responses["202"] = &huma.Response{
		Description: "The approval that the edit of a gated profile waits for.",
		Headers:     map[string]*huma.Header{"Location": headers["Location"]}, Content: jsonContent(waiting),
	}
}

// describeAuditEvents documents both forms of the audit trail: huma knows a raw body as bytes.
func describeAuditEvents(h huma.API) {
	answer := h.OpenAPI().Paths["/api/v1/audit-events"].Get.Responses["200"]
	events := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[[]api.AuditEvent](), true, "")
	delete(answer.Headers, "Content-Type")
	answer.Description = "A page of the audit trail. With `Accept: application/x-ndjson` each line is one event."
	answer.Content = jsonContent(events)
	answer.Content[linesContentType] = &huma.MediaType{Schema: &huma.Schema{
		Type: huma.TypeString, Description: "Lines of JSON, each an `AuditEvent`. A page without events has no line.",
	}}
}

func jsonContent(schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: schema}}
}
