package console

import (
	"time"

	"github.com/certctl/terraform-provider-certctl/server/review"
)

// clock shows times relative to the time of the page.
type clock struct{ now time.Time }

// instant is a time as a page shows it.
type instant struct {
	Text  string // relative, such as "3 days ago"
	Exact string
	ISO   string
}

// When returns a time relative to the page's.
func (c clock) When(t time.Time) instant {
	text := "now"
	switch distance := t.Sub(c.now); {
	case distance >= time.Minute:
		text = "in " + formatDuration(distance)
	case distance <= -time.Minute:
		text = formatDuration(-distance) + " ago"
	}
	return c.exact(t, text)
}

// Read returns the time of the page.
func (c clock) Read() instant { return c.At(c.now) }

// At returns a time with its date.
func (c clock) At(t time.Time) instant { return c.exact(t, t.UTC().Format("2006-01-02 15:04:05 UTC")) }

func (clock) exact(t time.Time, text string) instant {
	return instant{Text: text, Exact: t.UTC().Format("Monday, 2 January 2006, 15:04:05 UTC"), ISO: t.UTC().Format(time.RFC3339)}
}

// deadline is when a request expires, and how much of its time is left.
type deadline struct {
	When       instant
	Left       int // in per cent
	Soon, Past bool
}

// Deadline returns the deadline of a request. It is soon if less than a tenth of the time is left.
func (c clock) Deadline(created, expires time.Time) deadline {
	left := c.Left(created, expires)
	return deadline{When: c.When(expires), Left: left, Soon: left < 10, Past: c.IsPast(expires)}
}

// Left returns the part of a period that is left, from 0 to 100.
func (c clock) Left(from, to time.Time) int {
	whole := to.Sub(from)
	if whole <= 0 {
		return 0
	}
	return int(min(max(to.Sub(c.now), 0), whole) * 100 / whole)
}

// IsPast reports whether a time is not after the page's.
func (c clock) IsPast(t time.Time) bool { return !t.After(c.now) }

// IsWithin reports whether a time is at most so many hours away, or past.
func (c clock) IsWithin(t time.Time, hours int) bool {
	return t.Sub(c.now) <= time.Duration(hours)*time.Hour
}

// formatDuration rounds a duration down to its largest unit, and to days up to two months.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 730*day:
		return review.Count(int(d/(365*day)), "year")
	case d >= 60*day:
		return review.Count(int(d/(30*day)), "month")
	case d >= 2*day:
		return review.Count(int(d/day), "day")
	case d >= 2*time.Hour:
		return review.Count(int(d/time.Hour), "hour")
	default:
		return review.Count(int(d/time.Minute), "minute")
	}
}
