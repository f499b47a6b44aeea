package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/certctl/terraform-provider-certctl/api"
)

// pollInterval is how often a waiting apply looks.
const pollInterval = time.Second

// pause lets some time pass; false when the deadline or Ctrl-C came first.
func pause(ctx context.Context, deadline time.Time) bool {
	if !time.Now().Add(pollInterval).Before(deadline) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pollInterval):
		return true
	}
}

// follow waits for the open request if that is wanted, keeps what became of it, and tells of it. All that it has to say
// is a warning: the certificate is in the state, and the next apply goes on.
func (r *certificateResource) follow(ctx context.Context, m certificateModel, c api.Certificate, patience time.Duration, to place) (diags diag.Diagnostics) {
	if m.WaitForIssuance.ValueBool() && c.OpenJobID != nil {
		ended, err := r.wait(ctx, c, time.Now().Add(patience))
		switch c = ended; {
		case err != nil:
			diags.AddWarning("Stopped waiting for certificate "+c.ID, upperFirst(err.Error())+". The next apply goes on waiting.")
		case c.Status == api.CertificateIssuing:
			diags.AddWarning("Certificate "+c.ID+" is still being issued", "Job "+c.Job.ID+" is under way. The next apply goes on waiting.")
		}
		a := attempt{what: "wait for certificate " + c.ID}
		diags.Append(r.save(ctx, a, m, c, to)...)
	}
	diags.Append(r.outcome(ctx, c)...)
	return diags
}

// wait looks until the job that is open has ended, and gives what it saw last.
func (r *certificateResource) wait(ctx context.Context, c api.Certificate, deadline time.Time) (api.Certificate, error) {
	for c.OpenJobID != nil {
		if !pause(ctx, deadline) {
			return c, nil
		}
		now, err := r.client.GetCertificate(ctx, c.ID)
		if ctx.Err() != nil {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c = now
	}
	return c, nil
}

// outcome tells what a person has to do, or why there is no certificate.
func (r *certificateResource) outcome(ctx context.Context, c api.Certificate) (diags diag.Diagnostics) {
	switch state := certificateStateOf(c); {
	case c.Status == api.CertificateAwaitingApproval && c.ApprovalID != nil:
		diags.AddWarning("Certificate "+c.ID+" awaits approval "+*c.ApprovalID, r.request(ctx, *c.ApprovalID))
	case state == stateRejected || state == stateUnmet:
		reason := string(c.Status)
		if c.Job != nil && c.Job.ErrorMessage != "" {
			reason = c.Job.ErrorMessage
		}
		diags.AddWarning("Certificate "+c.ID+" was not issued", upperFirst(reason)+". The next plan says how to go on.")
	}
	return diags
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

// openJob is the refusal that names the job which is in the way.
func openJob(err error) (*api.Problem, bool) {
	p, ok := errors.AsType[*api.Problem](err)
	return p, ok && p.Code() == api.CodeJobAlreadyOpen
}
