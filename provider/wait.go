package provider

import (
	"context"
	"errors"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// openJob is the refusal that names the job which is in the way.
func openJob(err error) (*api.Problem, bool) {
	p, ok := errors.AsType[*api.Problem](err)
	return p, ok && p.Code() == api.CodeJobAlreadyOpen
}

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

// finish lets a write that was begun run to its end, bounded by the request timeout: cut off by Ctrl-C it
// could happen without Terraform knowing.
func finish(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
