package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The sizes of the chart in pixels.
const (
	textWidth, barWidth, margin = 250, 480, 60
	rowHeight, barHeight        = 24, 14
)

// drawChart draws the ratio of each row as a bar, as SVG. The scale is logarithmic and begins at 1, the floor.
func drawChart(rows []row) string {
	most := 2.0
	for _, r := range rows {
		most = max(most, r.ratio)
	}
	scale := func(ratio float64) float64 { return barWidth * math.Log2(max(ratio, 1)) / math.Log2(most) }
	width, height := textWidth+barWidth+margin, rowHeight*(len(rows)+2)
	svg := &strings.Builder{}
	fmt.Fprintf(svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n", width, height)
	fmt.Fprintf(svg, `<title>Ratios to the floor, on a logarithmic scale</title><rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	for ratio := 1.0; ratio <= most; ratio *= 2 {
		x := textWidth + scale(ratio)
		fmt.Fprintf(svg, `<path d="M%.0f %dV%d" stroke="#ddd"/><text x="%.0f" y="14" text-anchor="middle" fill="#555">%.0f</text>`+"\n", x, rowHeight, height-rowHeight, x, ratio)
	}
	for i, r := range rows {
		y := rowHeight*(i+1) + barHeight
		fmt.Fprintf(svg, `<text x="%d" y="%d" text-anchor="end">%s</text>`, textWidth-8, y, html.EscapeString(r.Title))
		fmt.Fprintf(svg, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="#4477aa"/>`, textWidth, y-barHeight+3, max(scale(r.ratio), 1), barHeight)
		fmt.Fprintf(svg, `<text x="%.1f" y="%d">%s</text>`+"\n", textWidth+scale(r.ratio)+5, y, r.Ratio)
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}
