package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// attempt is one call of the server. It describes the call to the user if it fails.
type attempt struct {
	action string         // the verb and the object after "Could not"
	body   any            // the body that was sent; pointers of faults lead into it
	schema attributeTypes // has attributes with the names of the body's members and of query parameters
}

type attributeTypes interface {
	TypeAtPath(context.Context, path.Path) (attr.Type, diag.Diagnostics)
}

// explain returns errors that say what failed, the server's reason, the attribute, and what to do.
func (a attempt) explain(ctx context.Context, err error) diag.Diagnostics {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return a.explainProblem(ctx, p)
	}
	if awaiting, ok := errors.AsType[*client.AwaitingApprovalError](err); ok {
		return explainAwaitingEdit(awaiting)
	}
	if down, ok := errors.AsType[*client.UnreachableError](err); ok {
		if down.Again {
			return a.fail(fmt.Sprintf("No answer from %s. The error of an earlier call says what to check.", down.Endpoint))
		}
		detail := fmt.Sprintf("No answer from %s: %v.\n\nCheck that endpoint (%s) is right, that the server runs, and that this machine can reach it. For a private CA set ca_file (%s) or ca_pem (%s). If a client certificate is required, set client_certificate (%s) and client_key (%s).",
			down.Endpoint, down.Err, endpointVariable, caFileVariable, caPEMVariable, clientCertificateVariable, clientKeyVariable)
		if down.Sent {
			detail += a.adviseAfterSend()
		}
		return a.fail(detail)
	}
	return a.fail(capitalize(err.Error()) + ".\n\n" + a.adviseForeignAnswer(err))
}

// adviseForeignAnswer says what to do about an answer that certctl did not write.
func (a attempt) adviseForeignAnswer(err error) string {
	advice := fmt.Sprintf("Check that endpoint (%s) is the address of a certctl server.", endpointVariable)
	other, ok := errors.AsType[*client.ForeignAnswerError](err)
	if !ok {
		return advice
	}
	if slices.Contains(proxyStatuses, other.Status) {
		advice = "A proxy answers, and the server behind it does not. Try again later."
	}
	if other.Status < 300 || other.Status >= 500 {
		advice += a.adviseAfterSend()
	}
	return advice
}

// proxyStatuses are the statuses with which a proxy says that the server behind it is away.
var proxyStatuses = []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// createdObject returns the type of the object that a create makes, and the id that an import takes. Both are empty for any
// other attempt.
func (a attempt) createdObject() (kind, id string) {
	switch body := a.body.(type) {
	case api.CreateProfile:
		return "certificate_profile", cmp.Or(body.ID, importByNamePrefix+body.Name)
	case api.CreateCertificate:
		return "certificate", body.ID
	default:
		return "", ""
	}
}

// adviseAfterSend says what to do if a create was sent and its answer is missing. For other attempts it returns nothing.
func (a attempt) adviseAfterSend() string {
	kind, id := a.createdObject()
	if kind == "" {
		return ""
	}
	if id == "" {
		return "\n\nThe request was sent, so the certificate may exist, with an id that the server made. Another apply makes another certificate. Look for the first by its names before."
	}
	return "\n\nThe request was sent, so the object may exist. Another apply makes no second object: the server refuses that. If the object exists, " + importAdvice(kind, id)
}

func (a attempt) fail(detail string) diag.Diagnostics {
	return diag.Diagnostics{diag.NewErrorDiagnostic(a.summary(), detail)}
}

func (a attempt) summary() string { return "Could not " + a.action }

// explainProblem returns an error for each fault, on its attribute.
func (a attempt) explainProblem(ctx context.Context, p *api.Problem) (diags diag.Diagnostics) {
	for _, f := range p.Errors {
		at, place, ok := a.locate(ctx, f.Pointer)
		detail := joinFault(place, f.Detail)
		if advice := cmp.Or(a.advise(p), adviseUnknownPart(f)); advice != "" {
			detail += "\n\n" + advice
		}
		detail += "\n\nRequest id: " + p.RequestID
		if ok {
			diags.AddAttributeError(at, a.summary(), detail)
		} else {
			diags.AddError(a.summary(), detail)
		}
	}
	if len(p.Errors) > 0 {
		return diags
	}
	if p.Code() == api.CodeEditRejected {
		return explainRejectedEdit(p)
	}
	if p.Code() == api.CodeAlreadyExists {
		return a.explainExisting(p)
	}
	return a.fail(a.describe(p))
}

// describe returns the server's reason, the advice and the request id.
func (a attempt) describe(p *api.Problem) string {
	var parts []string
	if !isAdviceEnough(p) {
		parts = append(parts, capitalize(strings.TrimSuffix(p.Detail, "."))+".")
	}
	if advice := a.advise(p); advice != "" {
		parts = append(parts, advice)
	}
	return strings.Join(append(parts, "Request id: "+p.RequestID), "\n\n")
}

// isAdviceEnough reports whether the advice says everything that the server's sentence says. That sentence is for callers of
// the API: it names headers and versions.
func isAdviceEnough(p *api.Problem) bool {
	switch p.Code() {
	case api.CodeUnauthenticated, api.CodePreconditionFailed:
		return true
	case api.CodeForbidden:
		return p.Principal != "" && len(p.RequiredRoles) > 0
	default:
		return false
	}
}

// explainExisting returns the error of an id or a name that another object has, on the attribute.
func (a attempt) explainExisting(p *api.Problem) diag.Diagnostics {
	at := path.Root("name")
	if _, id := a.createdObject(); id == p.ID {
		at = path.Root("id")
	}
	if _, diags := a.schema.TypeAtPath(context.Background(), at); diags.HasError() {
		return a.fail(a.describe(p))
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(at, a.summary(), a.describe(p))}
}

// advise returns what to do about a problem; empty if the server's words are enough.
func (a attempt) advise(p *api.Problem) string {
	switch p.Code() {
	case api.CodeUnauthenticated:
		return fmt.Sprintf("Check api_key (%s): the key may be mistyped, revoked or expired, its principal may be disabled, or it may be a key of another server.", apiKeyVariable)
	case api.CodeForbidden:
		return fmt.Sprintf("The key in api_key (%s) belongs to principal %q, which needs one of these roles: %s. The server's operator can grant a role with the command principal roles.",
			apiKeyVariable, p.Principal, joinRoles(p.RequiredRoles))
	case api.CodeApprovalRequired:
		return "Use a certificate profile with requires_approval = true. The server's operator can also allow the names without approval, with the command ungated-names."
	case api.CodePreconditionFailed:
		return "Somebody else changed the object after Terraform had read it. Nothing was written. Run terraform plan again to see the change."
	case api.CodeEditAlreadyPending:
		return fmt.Sprintf("The profile cannot change until approval %s is decided or withdrawn.", p.ApprovalID)
	case api.CodeNotFound:
		return "The object was deleted after Terraform had read it. Run terraform plan again."
	case api.CodeAlreadyExists:
		return a.adviseExisting(p)
	case api.CodeInUse:
		return fmt.Sprintf("In use by %s (%d in all). Try again when nothing uses the object.", joinRefs(p.UsedBy), p.UsedByCount)
	case api.CodeNoSuchRoute, api.CodeMethodNotAllowed:
		return fmt.Sprintf("%s Check also that endpoint (%s) is right.", olderServer, endpointVariable)
	case api.CodeUnavailable, api.CodeRateLimited:
		return "Try again later."
	case api.CodeInternal:
		return "The server's log has the details under the request id."
	default:
		return ""
	}
}

// adviseExisting says what to do about an object that has the id or the name of a new one.
func (a attempt) adviseExisting(p *api.Problem) string {
	kind, id := a.createdObject()
	if kind == "" {
		return "" // an edit to a name that is taken: there is nothing to import
	}
	advice := "Nothing was adopted. To manage the existing object, " + importAdvice(kind, p.ID)
	if kind == "certificate_profile" && id != p.ID {
		advice += "\n\nIf this resource is being replaced with create_before_destroy, the existing object is the replaced one: give the new profile another name."
	}
	if kind == "certificate" {
		advice += "\n\nIf this resource is being replaced with create_before_destroy, the existing object is the replaced one: leave out its id."
	}
	return advice
}

// olderServer is the advice for a request of which the server knows only a part.
const olderServer = "The server may be older than this provider. Upgrade the server first, or use an older version of the provider."

// adviseUnknownPart returns the advice for a field or a query parameter that the server does not know.
func adviseUnknownPart(f api.Fault) string {
	if f.Detail == "unknown query parameter" || f.Detail == "unexpected property" {
		return olderServer
	}
	return ""
}

// importAdvice says how to import an existing object, for example after an apply was killed before it saved its state.
func importAdvice(kind, id string) string {
	return fmt.Sprintf(`add this block with the address of your resource after "to", and apply again:

  import {
    to = certctl_%s.this
    id = %q
  }`, kind, id)
}

// explainRejectedEdit says who rejected an edit of a gated profile, why, and how to ask again.
func explainRejectedEdit(p *api.Problem) diag.Diagnostics {
	detail := fmt.Sprintf("The profile did not change, because %s rejected this edit (approval %s).\n\n", p.DecidedBy, p.ApprovalID)
	if p.Note != "" {
		detail += fmt.Sprintf("The note of %s: %s\n\n", p.DecidedBy, p.Note)
	}
	detail += fmt.Sprintf("Change the configuration, or ask again for the same edit with %s=true.\n\nRequest id: %s", resubmitVariable, p.RequestID)
	return diag.Diagnostics{diag.NewErrorDiagnostic("Edit rejected by "+p.DecidedBy, detail)}
}

// howToDecide says who asked, who may decide, how, and until when.
func howToDecide(a api.Approval, endpoint string) string {
	previous := ""
	if id := a.PreviousApprovalID; id != nil {
		previous = fmt.Sprintf("\nAsked before:  %s, which ended without approval and cannot be decided any more", *id)
	}
	return fmt.Sprintf(`Requested by:  %[2]s (accountable: %[3]s)
Decide before: %[4]s%[7]s

An approver other than %[6]s reads the approval, then approves or rejects it:

  curl "%[5]s/api/v1/approvals/%[1]s" -H "Authorization: Bearer $APPROVER_API_KEY"
  curl -X POST "%[5]s/api/v1/approvals/%[1]s/approve" -H "Authorization: Bearer $APPROVER_API_KEY"`,
		a.ID, a.RequestedBy, a.Accountable, a.ExpiresAt.Format(time.RFC3339), endpoint, strings.Join(a.Excluded, ", "), previous)
}

// explainAwaitingEdit says what a person has to do before an edit of a gated profile applies. It also names an earlier
// approval of the same edit, because somebody may still have the link to it.
func explainAwaitingEdit(w *client.AwaitingApprovalError) diag.Diagnostics {
	detail := fmt.Sprintf(`The profile requires approval, so this edit awaits a second person. Nothing has changed yet.

Approval:      %s
%s

After the approval, the next terraform apply finds the profile changed, and applies what depends on it. Before the approval, terraform apply finds the same approval.`,
		w.Approval.ID, howToDecide(w.Approval, w.Endpoint))
	return diag.Diagnostics{diag.NewErrorDiagnostic("Awaiting approval "+w.Approval.ID, detail)}
}

// asWarnings turns the errors of an optional call into warnings with another summary.
func asWarnings(summary string, diags diag.Diagnostics) (out diag.Diagnostics) {
	for _, d := range diags {
		if at, ok := d.(diag.DiagnosticWithPath); ok {
			out.AddAttributeWarning(at.Path(), summary, d.Detail())
		} else {
			out.AddWarning(summary, d.Detail())
		}
	}
	return out
}

func joinRoles(roles []api.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

func joinRefs(refs []api.Ref) string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = r.Type + " " + r.ID
	}
	return strings.Join(names, ", ")
}

// locate returns the attribute that a pointer leads to, and describes the place in words. Terraform cannot point into a
// set, so the words name the element.
func (a attempt) locate(ctx context.Context, pointer string) (at path.Path, place string, ok bool) {
	tokens := splitPointer(pointer)
	if len(tokens) == 0 {
		return path.Empty(), "The request", false
	}
	if setting := parameterSettings[pointer]; setting != "" {
		return path.Empty(), setting, false
	}
	at, depth := path.Root(tokens[0]), 1
	kind, diags := a.schema.TypeAtPath(ctx, at)
	if diags.HasError() {
		return path.Empty(), pointer, false
	}
	if object, ok := kind.(types.ObjectType); ok && len(tokens) > 1 && object.AttrTypes[tokens[1]] != nil {
		at, depth, kind = at.AtName(tokens[1]), 2, object.AttrTypes[tokens[1]]
	}
	place, rest := strings.Join(tokens[:depth], "."), tokens[depth:]
	if len(rest) == 0 {
		return at, place, true
	}
	switch kind.(type) {
	case types.MapType:
		return at.AtMapKey(rest[0]), fmt.Sprintf("%s[%q]", place, rest[0]), true
	case types.ListType:
		if i, err := strconv.Atoi(rest[0]); err == nil {
			return at.AtListIndex(i), fmt.Sprintf("%s[%d]", place, i), true
		}
	case types.SetType:
		place += ", element " + sentElement(a.body, tokens[:depth], rest[0])
	default:
		place += ", " + rest[0]
	}
	if len(rest) > 1 {
		place += ", " + strings.Join(rest[1:], ".")
	}
	return at, place, true
}

// parameterSettings has the settings of the provider that are sent as query parameters.
var parameterSettings = map[string]string{
	"?reason":        "change_reason (" + reasonVariable + ")",
	"?resubmit":      "resubmit_rejected (" + resubmitVariable + ")",
	"?also_excluded": authorsVariable,
}

// splitPointer splits a JSON pointer into its parts. A pointer to a query parameter has one part, the name.
func splitPointer(pointer string) []string {
	if name, ok := strings.CutPrefix(pointer, "?"); ok {
		return []string{name}
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil
	}
	parts := strings.Split(rest, "/")
	for i := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
	}
	return parts
}

// sentElement returns the JSON of an element of an array in the body. The user does not know its index, because Terraform
// sorts sets.
func sentElement(body any, array []string, index string) string {
	text, err := json.Marshal(body)
	if err != nil {
		return index
	}
	for _, name := range array {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return index
		}
		text = members[name]
	}
	var elements []json.RawMessage
	n, err := strconv.Atoi(index)
	if err != nil || json.Unmarshal(text, &elements) != nil || n < 0 || n >= len(elements) {
		return index
	}
	return string(elements[n])
}

// elementIndex is the part of a fault that names another element of an array. Terraform sorts sets, so the index says nothing.
var elementIndex = regexp.MustCompile(`, as element \d+$`)

// joinFault returns the place and the detail of a fault as one sentence. An element that the detail has is not said twice.
func joinFault(place, detail string) string {
	detail = elementIndex.ReplaceAllString(strings.TrimSuffix(detail, "."), ", in another element")
	if attribute, element, ok := strings.Cut(place, ", element "); ok && strings.Contains(detail, element) {
		place = attribute
	}
	return place + ": " + detail + "."
}

func capitalize(s string) string {
	for i, r := range s {
		return string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// wrongObject returns the error of an answer about another object.
func (a attempt) wrongObject(resourceType, id string) diag.Diagnostics {
	return a.fail(fmt.Sprintf("The server answered with a %s of id %q. Check that endpoint (%s) is the address of a certctl server.%s", resourceType, id, endpointVariable, a.adviseAfterSend()))
}

// explainWait says that a certificate awaits an approval, and how to decide. If the approval cannot be read, it names the id
// alone.
func (c connection) explainWait(ctx context.Context, certificate, approval string) string {
	text := fmt.Sprintf("Certificate %s awaits approval %s. Nothing is signed before a second person approves. Terraform does not ask twice: a later apply or refresh reads the certificate.",
		certificate, approval)
	if a, err := c.client.GetApproval(context.WithoutCancel(ctx), approval); err == nil {
		text += "\n\n" + howToDecide(a, c.client.Endpoint())
	}
	return text + fmt.Sprintf(`

Every request that waits:

  curl "%s/api/v1/approvals?state=pending" -H "Authorization: Bearer $%s"`, c.client.Endpoint(), apiKeyVariable)
}

// The resource types of the problem not_found.
const (
	typeProfile     = "profile"
	typeCertificate = "certificate"
	typeApproval    = "approval"
)

// isGone reports whether the server has no such object. Any other 404 is an error, such as the answer of a proxy.
func isGone(err error, resourceType, id string) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && p.Code() == api.CodeNotFound && p.ResourceType == resourceType && p.ResourceID == id
}
