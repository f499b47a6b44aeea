package provider

import (
	"context"
	"errors"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// jobAlreadyOpen returns the problem that names the open job, if err is that problem.
func jobAlreadyOpen(err error) (*api.Problem, bool) {
	p, ok := errors.AsType[*api.Problem](err)
	return p, ok && p.Code() == api.CodeJobAlreadyOpen
}

// pollInterval is the time between two reads of an apply that waits.
const pollInterval = time.Second

// pause sleeps for pollInterval. It returns false if the deadline or Ctrl-C comes first.
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

// uninterruptible returns a context that Ctrl-C does not cancel, for writes. The request timeout still bounds the write. A
// write that Ctrl-C interrupts could take effect without Terraform learning of it.
func uninterruptible(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
