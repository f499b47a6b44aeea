package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// attempt is one call of the server, as the user shall read of it when it fails.
type attempt struct {
	what   string // as in "could not <what>"
	sent   any    // the body; the pointers of faults lead into it
	schema typed  // its attributes have the names of the body's members and the query's parameters
}

type typed interface {
	TypeAtPath(context.Context, path.Path) (attr.Type, diag.Diagnostics)
}

// failed says what was attempted, the server's words, where, and what to do next.
func (a attempt) failed(ctx context.Context, err error) diag.Diagnostics {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return a.refused(ctx, p)
	}
	if waiting, ok := errors.AsType[*client.AwaitingApprovalError](err); ok {
		return awaiting(waiting)
	}
	if down, ok := errors.AsType[*client.UnreachableError](err); ok {
		if down.Again {
			return a.plain(fmt.Sprintf("No answer from %s either: another error says what to check.", down.Endpoint))
		}
		detail := fmt.Sprintf("No answer from %s: %v.\n\nCheck that this is the right endpoint (%s), that the server runs, and that it can be reached from here. For a private CA set ca_file (%s).",
			down.Endpoint, down.Err, endpointVariable, caFileVariable)
		if down.Sent {
			detail += a.mayExist()
		}
		return a.plain(detail)
	}
	detail := fmt.Sprintf("%s.\n\nCheck that endpoint (%s) is the address of a certctl server.", upperFirst(err.Error()), endpointVariable)
	if other, ok := errors.AsType[*client.ForeignAnswerError](err); ok && (other.Status < 300 || other.Status >= 500) {
		detail += a.mayExist()
	}
	return a.plain(detail)
}

// made is what a create makes, and what an import of it takes; nothing for any other attempt.
func (a attempt) made() (kind, id string) {
	switch body := a.sent.(type) {
	case api.CreateProfile:
		return "certificate_profile", cmp.Or(body.ID, byName+body.Name)
	case api.CreateCertificate:
		return "certificate", body.ID
	default:
		return "", ""
	}
}

// mayExist says what to do about an object that was perhaps made, while the answer that would tell is missing.
func (a attempt) mayExist() string {
	kind, id := a.made()
	if kind == "" {
		return ""
	}
	return "\n\nThe request was sent, so the object may exist all the same. Applying again makes no second one, since the server refuses that. If it exists, " + importing(kind, id)
}

func (a attempt) plain(detail string) diag.Diagnostics {
	return diag.Diagnostics{diag.NewErrorDiagnostic(a.summary(), detail)}
}

func (a attempt) summary() string { return "Could not " + a.what }

// refused gives each fault an error of its own, on its attribute.
func (a attempt) refused(ctx context.Context, p *api.Problem) (diags diag.Diagnostics) {
	for _, f := range p.Errors {
		at, place, ok := a.locate(ctx, f.Pointer)
		detail := fmt.Sprintf("%s: %s.", place, strings.TrimSuffix(f.Detail, "."))
		if advice := a.advice(p); advice != "" {
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
	detail := upperFirst(strings.TrimSuffix(p.Detail, ".")) + "."
	if advice := a.advice(p); advice != "" {
		detail += "\n\n" + advice
	}
	return a.plain(detail + "\n\nRequest id: " + p.RequestID)
}

// advice is what to do about a refusal, empty where the server's words say it all.
func (a attempt) advice(p *api.Problem) string {
	switch p.Code() {
	case api.CodeUnauthenticated:
		return fmt.Sprintf("Check api_key (%s): the key may be mistyped, revoked or expired, its principal may be disabled, or it may be a key of another server.", apiKeyVariable)
	case api.CodeForbidden:
		return fmt.Sprintf("The key in api_key (%s) belongs to principal %q, which needs one of these roles: %s. Whoever runs the server can give it, with the command principal roles.",
			apiKeyVariable, p.Principal, join(p.RequiredRoles))
	case api.CodeApprovalRequired:
		return "Use a certificate profile with requires_approval = true. The server's operator can also allow it without approval, with the command ungated-names."
	case api.CodePreconditionFailed:
		return "Somebody else changed it after Terraform had read it, so nothing was written. Run terraform plan again to see what it would undo."
	case api.CodeEditAlreadyPending:
		return fmt.Sprintf("The profile stays as it is until approval %s is decided or withdrawn.", p.ApprovalID)
	case api.CodeNotFound:
		return "It was deleted after Terraform had read it. Run terraform plan again."
	case api.CodeAlreadyExists:
		kind, _ := a.made()
		if kind == "" {
			return "" // a name that an edit would take from another has no import
		}
		return "Nothing was adopted. To manage the one that exists, " + importing(kind, p.ID)
	case api.CodeInUse:
		return fmt.Sprintf("In use by %s (%d in all).", references(p.UsedBy), p.UsedByCount)
	case api.CodeUnavailable, api.CodeRateLimited:
		return "Try again later."
	case api.CodeInternal:
		return "The server's log says more under the request id."
	default:
		return ""
	}
}

// importing is how to go on with what exists already, such as by an apply that was killed before it could save its state.
func importing(kind, id string) string {
	return fmt.Sprintf(`add this block, with your resource's address behind "to", and apply again:

  import {
    to = certctl_%s.this
    id = %q
  }`, kind, id)
}

// warnOfRejection says who turned down an edit of a gated profile, why, and how to go on.
func explainRejectedEdit(p *api.Problem) diag.Diagnostics {
	detail := fmt.Sprintf("The profile stays as it is, because %s rejected this edit (approval %s).\n\n", p.DecidedBy, p.ApprovalID)
	if p.Note != "" {
		detail += fmt.Sprintf("The note of %s: %s\n\n", p.DecidedBy, p.Note)
	}
	detail += fmt.Sprintf("Change the configuration, or ask once more for the same edit with %s=true.\n\nRequest id: %s", resubmitVariable, p.RequestID)
	return diag.Diagnostics{diag.NewErrorDiagnostic("Edit rejected by "+p.DecidedBy, detail)}
}

// howToDecide says who asked, until when, who may decide and how.
func howToDecide(a api.Approval, endpoint string) string {
	before := ""
	if previous := a.PreviousApprovalID; previous != nil {
		before = fmt.Sprintf("\nAsked before:  %s, which ended without approval and can no longer be decided", *previous)
	}
	return fmt.Sprintf(`Requested by:  %[2]s (accountable: %[3]s)
Decide before: %[4]s%[7]s

An approver other than %[6]s looks at it, then approves (or rejects) it:

  curl "%[5]s/api/v1/approvals/%[1]s" -H "Authorization: Bearer $APPROVER_API_KEY"
  curl -X POST "%[5]s/api/v1/approvals/%[1]s/approve" -H "Authorization: Bearer $APPROVER_API_KEY"`,
		a.ID, a.RequestedBy, a.Accountable, a.ExpiresAt.Format(time.RFC3339), endpoint, strings.Join(a.Excluded, ", "), before)
}

// awaiting says what a person has to do before an edit of a gated profile applies. An edit that was asked for before,
// in a request that has expired, say, names that one: its link may still be in somebody's hands.
func awaiting(w *client.AwaitingApprovalError) diag.Diagnostics {
	detail := fmt.Sprintf(`The profile requires approval, so this edit awaits a second person. Nothing has changed yet.

Approval:      %s
%s

Then run terraform apply again: it finds nothing left to do. Until then it finds this same approval.`,
		w.Approval.ID, howToDecide(w.Approval, w.Endpoint))
	return diag.Diagnostics{diag.NewErrorDiagnostic("Awaiting approval "+w.Approval.ID, detail)}
}

// warnings are these errors, of something that need not succeed, under a summary of their own.
func warnings(summary string, diags diag.Diagnostics) (out diag.Diagnostics) {
	for _, d := range diags {
		if at, ok := d.(diag.DiagnosticWithPath); ok {
			out.AddAttributeWarning(at.Path(), summary, d.Detail())
		} else {
			out.AddWarning(summary, d.Detail())
		}
	}
	return out
}

func join(roles []api.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

func references(refs []api.Ref) string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = r.Type + " " + r.ID
	}
	return strings.Join(names, ", ")
}

// locate finds the attribute that a pointer means, and says in words where in it. Terraform cannot point
// into a set, so the words name the element.
func (a attempt) locate(ctx context.Context, pointer string) (at path.Path, place string, ok bool) {
	tokens := tokens(pointer)
	if len(tokens) == 0 {
		return path.Empty(), "The request", false
	}
	at = path.Root(tokens[0])
	kind, diags := a.schema.TypeAtPath(ctx, at)
	if diags.HasError() {
		return path.Empty(), pointer, false
	}
	place = tokens[0]
	if len(tokens) == 1 {
		return at, place, true
	}
	switch kind.(type) {
	case types.MapType:
		return at.AtMapKey(tokens[1]), fmt.Sprintf("%s[%q]", place, tokens[1]), true
	case types.ListType:
		if i, err := strconv.Atoi(tokens[1]); err == nil {
			return at.AtListIndex(i), fmt.Sprintf("%s[%d]", place, i), true
		}
	case types.SetType:
		place += ", element " + element(a.sent, tokens[0], tokens[1])
	}
	if len(tokens) > 2 {
		place += ", " + strings.Join(tokens[2:], ".")
	}
	return at, place, true
}

// tokens splits a JSON pointer into a body, or the name of a query parameter.
func tokens(pointer string) []string {
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

// element is the JSON of what was sent as the nth of an array. Its number alone would mean nothing to the
// user: Terraform sorts sets.
func element(sent any, array, index string) string {
	body, err := json.Marshal(sent)
	if err != nil {
		return index
	}
	var members map[string]json.RawMessage
	var elements []json.RawMessage
	n, err := strconv.Atoi(index)
	if err != nil || json.Unmarshal(body, &members) != nil || json.Unmarshal(members[array], &elements) != nil || n < 0 || n >= len(elements) {
		return index
	}
	return string(elements[n])
}

func upperFirst(s string) string {
	for i, r := range s {
		return string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// wrongObject is the error of an answer that is about something else.
func (a attempt) wrongObject(resourceType, id string) diag.Diagnostics {
	return a.plain(fmt.Sprintf("The server answered with a %s of id %q. Is endpoint (%s) the address of a certctl server?%s", resourceType, id, endpointVariable, a.mayExist()))
}

// request says who decides until when, and how. Without the approval it says less.
func (c connection) request(ctx context.Context, id string) string {
	a, err := c.client.GetApproval(context.WithoutCancel(ctx), id)
	if err != nil {
		return fmt.Sprintf("A second person has to decide on approval %s.", id)
	}
	return fmt.Sprintf(`The profile requires approval, so a second person has to decide before anything is signed.

%s

Nothing is asked for twice meanwhile, and a later apply or refresh picks up the certificate.`, howToDecide(a, c.client.Endpoint()))
}

// The types that the server names in its not_found.
const (
	aProfile     = "profile"
	aCertificate = "certificate"
	anApproval   = "approval"
)

// gone says that the server knows no such object. Any other 404, a proxy's or one about something else, is an error
// like the rest.
func gone(err error, resourceType, id string) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && p.Code() == api.CodeNotFound && p.ResourceType == resourceType && p.ResourceID == id
}
