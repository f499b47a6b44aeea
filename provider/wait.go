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

// The first and the longest time between two reads of an apply that waits.
const (
	firstPollInterval = 100 * time.Millisecond
	lastPollInterval  = time.Second
)

// poll paces the reads of an apply that waits, until a deadline.
type poll struct {
	deadline time.Time
	interval *time.Duration
}

func newPoll(timeout time.Duration) poll {
	return poll{time.Now().Add(timeout), new(firstPollInterval)}
}

// pause sleeps, longer each time. It returns false if the deadline or Ctrl-C comes first.
func (p poll) pause(ctx context.Context) bool {
	if !time.Now().Add(*p.interval).Before(p.deadline) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(*p.interval):
		*p.interval = min(2**p.interval, lastPollInterval)
		return true
	}
}

// uninterruptible returns a context that Ctrl-C does not cancel, for writes. The request timeout still bounds the write. A
// write that Ctrl-C interrupts could take effect without Terraform learning of it.
func uninterruptible(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
