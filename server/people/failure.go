package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// The exit codes of people's commands.
const (
	ExitFailed  = 1 // nothing was done, or it is not known
	ExitUsage   = 2 // wrong arguments or settings
	ExitRefused = 3 // the caller may not do this
	ExitEnded   = 4 // the request ended or changed meanwhile
	ExitNoMatch = 5 // nothing matched
)

// Failure is the error of a command: one sentence, what to do, and the exit code.
type Failure struct {
	code   int
	what   string
	advice string
	cause  error
}

// Error returns the sentences in one line.
func (f *Failure) Error() string {
	text := strings.TrimRight(visible(strings.Join(strings.Fields(f.what), " ")), ".")
	if f.advice == "" {
		return text
	}
	return text + ". " + visible(f.advice)
}

// Print writes the failure to standard error.
func (f *Failure) Print() { newScreen(os.Stderr, false).print("certctl: error: " + f.Error()) }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.cause }

// ExitCode implements kong.ExitCoder.
func (f *Failure) ExitCode() int { return f.code }

func fail(code int, advice, format string, args ...any) *Failure {
	return &Failure{code: code, advice: advice, what: fmt.Sprintf(format, args...)}
}

// exitCodes are the codes of the problems that are not plain failures.
var exitCodes = map[api.Code]int{
	api.CodeUnauthenticated:    ExitRefused,
	api.CodeForbidden:          ExitRefused,
	api.CodeTwoPersonIntegrity: ExitRefused,
	api.CodeHumanRequired:      ExitRefused,

	api.CodeAlreadyDecided:  ExitEnded,
	api.CodeApprovalExpired: ExitEnded,
	api.CodeSubjectChanged:  ExitEnded,
	api.CodeDigestMismatch:  ExitEnded,

	api.CodeNotFound:  ExitNoMatch,
	api.CodeNotIssued: ExitNoMatch,
}

// explain returns the failure of a call. The id is that of the object, or empty.
func explain(err error, id string) error {
	if _, ok := errors.AsType[*Failure](err); ok || err == nil {
		return err
	}
	f := &Failure{code: ExitFailed, what: err.Error(), cause: err}
	if p, ok := errors.AsType[*api.Problem](err); ok {
		f.code = cmp.Or(exitCodes[p.Code()], ExitFailed)
		f.what, f.advice = describeProblem(p), advise(p, id)
		if p.Code() == api.CodeUnauthenticated {
			f.what = "the server does not accept the API key" // its detail is about headers
		}
		return f
	}
	if _, ok := errors.AsType[*client.SettingError](err); ok {
		f.code = ExitUsage
		return f
	}
	if u, ok := errors.AsType[*client.UnreachableError](err); ok {
		f.what, f.advice = describeUnreachable(u)
		return f
	}
	if a, ok := errors.AsType[*client.ForeignAnswerError](err); ok {
		f.advice = "Check that " + a.Endpoint + " is the address of certctl."
	}
	return f
}

// describeProblem returns the detail of a problem, and each fault with its place.
func describeProblem(p *api.Problem) string {
	faults := make([]string, len(p.Errors))
	for i, fault := range p.Errors {
		faults[i] = fault.Pointer + ": " + fault.Detail
	}
	switch {
	case len(faults) == 0:
		return cmp.Or(p.Detail, p.Title)
	case len(faults) == 1 && p.Errors[0].Detail == p.Detail:
		return faults[0]
	default:
		return p.Detail + ": " + strings.Join(faults, "; ")
	}
}

func describeUnreachable(u *client.UnreachableError) (what, advice string) {
	switch {
	case errors.Is(u.Err, context.Canceled):
		what = "the command was interrupted"
	case errors.Is(u.Err, context.DeadlineExceeded):
		what = u.Endpoint + " did not answer in time"
	default:
		what = fmt.Sprintf("there is no answer from %s: %v", u.Endpoint, u.Err)
	}
	if u.Sent && strings.HasPrefix(u.Request, "POST") {
		return what, "The request was sent and may have had its effect: look before you try again."
	}
	return what, "Check the address and the network, then try again."
}

// advise says what to do about a problem.
func advise(p *api.Problem, id string) string {
	show := "certctl approvals show " + id
	switch p.Code() {
	case api.CodeUnauthenticated:
		return "Sign in with a valid key: certctl login."
	case api.CodeForbidden:
		return "Ask an administrator for the role " + joinRoles(p.RequiredRoles, " or ") + "."
	case api.CodeTwoPersonIntegrity:
		return show + " lists who may decide."
	case api.CodeHumanRequired:
		return "Sign in with the key of a person: certctl login."
	case api.CodeAlreadyDecided, api.CodeApprovalExpired, api.CodeSubjectChanged:
		if !strings.HasPrefix(id, approvalPrefix) {
			return ""
		}
		return "See what became of it: " + show + "."
	case api.CodeNotFound, api.CodeNotIssued:
		return adviseAbsent(p)
	case api.CodeProfileDisabled:
		return "Nothing has changed. Have the profile enabled, then try again."
	case api.CodeApprovalRequired:
		return "Use a certificate under a profile that requires approval."
	case api.CodeJobAlreadyOpen:
		if p.ApprovalID == "" {
			return "Wait until that job has ended."
		}
		return "See the open request: certctl approvals show " + p.ApprovalID + "."
	case api.CodeRateLimited, api.CodeUnavailable, api.CodeRequestInProgress:
		return "Try again in a moment."
	case api.CodeInternal:
		return "Tell the operator of the server: request " + p.RequestID + "."
	}
	return ""
}

func adviseAbsent(p *api.Problem) string {
	switch p.ResourceType {
	case "approval":
		return "List what waits: certctl approvals list."
	case "certificate":
		return "List the certificates: certctl certificates list."
	}
	return ""
}

func joinRoles(roles []api.Role, separator string) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	return strings.Join(names, separator)
}
