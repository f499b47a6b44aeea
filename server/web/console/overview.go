package console

import (
	"fmt"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// overviewPage is what the page Overview shows.
type overviewPage struct {
	certificate.Totals
	Pending  int
	Expiring chart
	Waiting  chart
}

// chart is a bar chart with its table.
type chart struct {
	Title, Unit string
	Bars        []bar
}

// bar is one bar of a chart. X, Y, Width and Height are in the units of the chart's view box.
type bar struct {
	Label               string
	Count               int
	X, Y, Width, Height int
	Soon                bool // the label is urgent
}

// The view box of a chart. Each bar has a step of the width; above the bars is room for the largest number.
const (
	chartWidth  = 780
	chartHeight = 160
	chartTop    = 20
)

// Axis is the length of the axis.
func (chart) Axis() int { return chartWidth }

// Width is that of the view box, with room for the first and the last label.
func (chart) Width() int { return chartWidth + 40 }

// Height is that of the view box, with room for labels below the bars.
func (chart) Height() int { return chartHeight + 24 }

// Base is where the bars stand.
func (chart) Base() int { return chartHeight }

// LabelY is where the labels stand.
func (chart) LabelY() int { return chartHeight + 18 }

// IsLabelled reports whether a bar has room for its label: every fourth of many.
func (c chart) IsLabelled(i int) bool { return len(c.Bars) < 10 || i%4 == 0 }

// Middle is the middle of a bar.
func (b bar) Middle() int { return b.X + b.Width/2 }

// Above is where the number above a bar stands.
func (b bar) Above() int { return b.Y - 4 }

// Total adds up the bars.
func (c chart) Total() int {
	total := 0
	for _, b := range c.Bars {
		total += b.Count
	}
	return total
}

// newChart scales the bars to the largest count.
func newChart(title, unit string, labels []string, counts []int, soon int) chart {
	c := chart{Title: title, Unit: unit, Bars: make([]bar, len(counts))}
	step, largest := chartWidth/len(counts), max(slices.Max(counts), 1)
	for i, n := range counts {
		height := n * (chartHeight - chartTop) / largest
		if n > 0 {
			height = max(height, 2)
		}
		c.Bars[i] = bar{Label: labels[i], Count: n, X: i*step + step/10, Y: chartHeight - height, Width: step * 8 / 10, Height: height, Soon: i < soon}
	}
	return c
}

const (
	weeks     = 26
	soonWeeks = 4
	week      = 7 * 24 * time.Hour
)

// ages are the bounds of the chart of what waits, from old to new.
var ages = []struct {
	age   time.Duration
	label string
}{{7 * 24 * time.Hour, "over 7 days"}, {3 * 24 * time.Hour, "3 to 7 days"}, {24 * time.Hour, "1 to 3 days"}, {time.Hour, "1 to 24 hours"}}

// showOverview counts what waits and what ends.
func (s *site) showOverview(tx *store.Tx, _ *visit) (view, error) {
	var page overviewPage
	var err error
	if page.Totals, err = certificate.Count(tx); err != nil {
		return view{}, err
	}
	if page.Expiring, err = countExpiring(tx); err != nil {
		return view{}, err
	}
	if page.Waiting, err = countWaiting(tx); err != nil {
		return view{}, err
	}
	page.Pending = page.Waiting.Total()
	return view{Page: "overview", Title: "Overview", Data: page}, nil
}

// countExpiring counts the certificates that end in each of the next weeks.
func countExpiring(tx *store.Tx) (chart, error) {
	ends, labels := []time.Time{tx.Now}, make([]string, weeks)
	for i := range weeks {
		begin := tx.Now.Add(time.Duration(i) * week)
		ends, labels[i] = append(ends, begin.Add(week)), begin.Format("2 Jan")
	}
	counts, err := certificate.CountByEnd(tx, ends)
	if err != nil {
		return chart{}, err
	}
	return newChart(fmt.Sprintf("Certificates that end, by week, for %d weeks", weeks), "certificate", labels, counts[1:], soonWeeks), nil
}

// countWaiting counts the pending requests by age, the oldest first.
func countWaiting(tx *store.Tx) (chart, error) {
	var ends []time.Time
	var labels []string
	for _, a := range ages {
		ends, labels = append(ends, tx.Now.Add(-a.age)), append(labels, a.label)
	}
	counts, err := approval.CountPendingByAge(tx, ends)
	if err != nil {
		return chart{}, err
	}
	return newChart("Requests that wait, by age", "request", append(labels, "under 1 hour"), counts, 1), nil
}
