package people

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// column is a column of a table.
type column struct {
	title    string
	whole    bool // the column is never truncated: people copy it
	least    int  // the width to which the column may be truncated; 0 for narrowest
	optional bool // the column is left out if the others need its place
}

// gap is between two columns.
const gap = 2

// narrowest is the width to which most columns may be truncated.
const narrowest = 8

// table writes rows under titles. On a terminal it leaves columns out and truncates cells to fit. If that is not enough, each
// row takes several lines.
func (s *screen) table(columns []column, rows [][]string) {
	for _, row := range rows {
		for i, cell := range row {
			row[i] = visible(cell)
		}
	}
	shown := allIndexes(columns)
	widths, fit := fitColumns(columns, shown, rows, s.width)
	for !fit {
		last := lastOptional(columns, shown)
		if last < 0 {
			s.stack(columns, rows)
			return
		}
		shown = slices.Delete(shown, last, last+1)
		widths, fit = fitColumns(columns, shown, rows, s.width)
	}
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	fmt.Fprintln(s.out, s.paint(styleTitle, layOut(titles, shown, widths)))
	for _, row := range rows {
		fmt.Fprintln(s.out, layOut(row, shown, widths))
	}
}

func allIndexes(columns []column) []int {
	all := make([]int, len(columns))
	for i := range columns {
		all[i] = i
	}
	return all
}

// lastOptional returns the place in shown of the last optional column; -1 if there is none.
func lastOptional(columns []column, shown []int) int {
	for at := len(shown) - 1; at >= 0; at-- {
		if columns[shown[at]].optional {
			return at
		}
	}
	return -1
}

// fitColumns returns the widths of the shown columns in a width; 0 for no limit. It reports whether they fit.
func fitColumns(columns []column, shown []int, rows [][]string, width int) (widths []int, fit bool) {
	total := -gap
	for _, i := range shown {
		w := textWidth(columns[i].title)
		for _, row := range rows {
			w = max(w, textWidth(row[i]))
		}
		widths = append(widths, w)
		total += w + gap
	}
	for ; width > 0 && total > width; total-- {
		widest := -1
		for at, i := range shown {
			if !columns[i].whole && widths[at] > cmp.Or(columns[i].least, narrowest) && (widest < 0 || widths[at] > widths[widest]) {
				widest = at
			}
		}
		if widest < 0 {
			return nil, false
		}
		widths[widest]--
	}
	return widths, true
}

// layOut returns the shown cells of a line, each in its width.
func layOut(cells []string, shown, widths []int) string {
	var b strings.Builder
	for at, i := range shown {
		cell := truncate(cells[i], widths[at])
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", widths[at]-textWidth(cell)+gap))
	}
	return strings.TrimRight(b.String(), " ")
}

// stack writes each row as lines: the first cell alone, then each other cell with its title.
func (s *screen) stack(columns []column, rows [][]string) {
	longest := 0
	for _, c := range columns[1:] {
		longest = max(longest, textWidth(c.title))
	}
	for _, row := range rows {
		fmt.Fprintln(s.out, s.paint(styleTitle, truncate(row[0], s.width)))
		for i, cell := range row[1:] {
			if cell == "" || cell == "-" {
				continue
			}
			title := columns[i+1].title
			fmt.Fprintln(s.out, truncate("  "+title+strings.Repeat(" ", longest-textWidth(title)+gap)+cell, s.width))
		}
	}
}
