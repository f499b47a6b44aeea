package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/certctl/terraform-provider-certctl/api"
)

// previewTimeout bounds a preview. The plan is right without the preview.
const previewTimeout = 10 * time.Second

// previews is what the previews of one plan share. Each preview only informs: an apply asks the server again.
type previews struct {
	failure  atomic.Pointer[error] // of the first preview that the server did not answer; no preview follows
	roleOnce sync.Once
}

// askPreview asks for a preview, unless the server did not answer an earlier one: a plan of many objects would wait for each.
func askPreview[T any](ctx context.Context, p *previews, ask func(context.Context) (T, error)) (preview T, err error) {
	if failure := p.failure.Load(); failure != nil {
		return preview, *failure
	}
	limited, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	preview, err = ask(limited)
	if err != nil && ctx.Err() == nil && !isAboutContent(err) {
		p.failure.CompareAndSwap(nil, &err)
	}
	return preview, err
}

// isAboutContent reports whether an error is the server's answer to the content of a preview. Another object may have
// another answer.
func isAboutContent(err error) bool {
	problem, ok := errors.AsType[*api.Problem](err)
	return ok && slices.Contains([]api.Code{api.CodeInvalidRequest, api.CodeNotFound, api.CodePreconditionFailed}, problem.Code())
}

// explainNoPreview returns the faults of form in a preview as errors: no other part of the plan can mend them. Any other
// failure of a preview is a warning.
func (a attempt) explainNoPreview(ctx context.Context, summary string, err error) diag.Diagnostics {
	if problem, ok := errors.AsType[*api.Problem](err); ok && problem.Code() == api.CodeInvalidRequest {
		return a.explainRefused(ctx, summary, problem)
	}
	return asWarnings(summaryNoPreview, a.explain(ctx, err))
}

// explainRefused returns an error for each fault that the server would find, on its attribute.
func (a attempt) explainRefused(ctx context.Context, summary string, problem *api.Problem) (diags diag.Diagnostics) {
	for _, d := range a.explainProblem(ctx, problem) {
		if at, ok := d.(diag.DiagnosticWithPath); ok {
			diags.AddAttributeError(at.Path(), summary, d.Detail())
		} else {
			diags.AddError(summary, d.Detail())
		}
	}
	return diags
}

// warnOfRefused returns one warning with all faults that the server would find now.
func (a attempt) warnOfRefused(ctx context.Context, summary, object, advice string, problem *api.Problem) (diags diag.Diagnostics) {
	var at path.Path
	var lines []string
	for _, f := range problem.Errors {
		place, name, ok := a.locate(ctx, f.Pointer)
		if ok && len(problem.Errors) == 1 {
			at = place
		}
		lines = append(lines, joinFault(name, f.Detail))
	}
	if len(lines) == 0 {
		for _, d := range a.explainProblem(ctx, problem) {
			detail, _, _ := strings.Cut(d.Detail(), "\n\nRequest id: ") // of a preview, which is no use to anybody
			lines = append(lines, detail)
		}
	}
	detail := object + ":\n\n" + strings.Join(lines, "\n") + "\n\n" + advice
	if len(at.Steps()) > 0 {
		diags.AddAttributeWarning(at, summary, detail)
	} else {
		diags.AddWarning(summary, detail)
	}
	return diags
}

// warnOfServer passes on the warnings of a preview.
func warnOfServer(object string, warnings []string) (diags diag.Diagnostics) {
	if len(warnings) == 0 {
		return nil
	}
	lines := make([]string, len(warnings))
	for i, w := range warnings {
		lines[i] = capitalize(strings.TrimSuffix(w, ".")) + "."
	}
	diags.AddWarning(summaryServerWarns, object+":\n\n"+strings.Join(lines, "\n"))
	return diags
}

// warnOfMissingRole warns once if the key may read and not write. Another key may be meant to apply the plan.
func (c connection) warnOfMissingRole() (diags diag.Diagnostics) {
	if c.me.ID == "" || slices.Contains(c.me.Roles, api.RoleOperator) {
		return nil
	}
	c.previews.roleOnce.Do(func() {
		diags.AddWarning(summaryMissingRoles, fmt.Sprintf(
			"The key in api_key (%s) belongs to principal %q, which has the roles: %s. An apply needs the role %s. If another key applies the plan, ignore this warning.",
			apiKeyVariable, c.me.ID, joinRoles(c.me.Roles), api.RoleOperator))
	})
	return diags
}
