package store

import (
	"context"
	"time"
)

const (
	// RetryAfter is the pause of a loop after the database did not answer.
	RetryAfter = time.Second

	// pollEvery covers a lost wake-up. A row that is due later has a timer.
	pollEvery = 5 * time.Second
	// minIdle is the pause if a row is due that another worker holds: that worker is done in a moment.
	minIdle = 20 * time.Millisecond
)

// WaitUntilDue waits until the next row of a queue may be due: for a wake-up, for the time that next returns, or for the end
// of ctx. next also says whether there is a row. failed is the error of the last claim.
func WaitUntilDue(ctx context.Context, woken <-chan struct{}, failed error, next func(context.Context) (time.Duration, bool, error)) {
	Sleep(ctx, woken, untilDue(ctx, failed, next))
}

func untilDue(ctx context.Context, failed error, next func(context.Context) (time.Duration, bool, error)) time.Duration {
	if failed != nil {
		return RetryAfter
	}
	due, found, err := next(ctx)
	switch {
	case err != nil:
		return RetryAfter
	case !found:
		return pollEvery
	}
	return min(max(due, minIdle), pollEvery)
}

// Sleep waits for a wake-up, for the time, or for the end of ctx. A nil channel never wakes.
func Sleep(ctx context.Context, woken <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-timer.C:
	}
}
