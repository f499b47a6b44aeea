package people

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// maxMarks bounds the combining marks on one character. More of them draw over the lines above and below.
const maxMarks = 2

// visible returns a text of one line with each character that a terminal obeys or hides written out, such as <U+202E>. A
// line break is such a character.
func visible(s string) string {
	var b strings.Builder
	marks := 0
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		marks = countMarks(marks, r)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "<0x%02X>", s[0])
		case isPlain(r) && marks <= maxMarks:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
		s = s[size:]
	}
	return b.String()
}

func countMarks(before int, r rune) int {
	if unicode.Is(unicode.M, r) {
		return before + 1
	}
	return 0
}

// isPlain reports whether a character takes its place on the line, and does nothing else.
func isPlain(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// textWidth is the number of columns that a text takes on a terminal.
func textWidth(s string) int { return uniseg.StringWidth(s) }

// truncate shortens a visible text to a number of columns. The mark … stands for what is missing.
func truncate(s string, columns int) string {
	if textWidth(s) <= columns {
		return s
	}
	head, _ := cutColumns(s, columns-1)
	return head + "…"
}

// cutColumns splits a visible text after at most a number of columns. It never splits a character from its marks.
func cutColumns(s string, columns int) (head, tail string) {
	used, rest, state := 0, s, -1
	for rest != "" {
		var width int
		var next string
		_, next, width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+width > columns {
			break
		}
		used, rest = used+width, next
	}
	return s[:len(s)-len(rest)], rest
}

// wrap splits a visible text into lines of at most a number of columns; 0 for no limit.
func wrap(s string, columns int) []string {
	if columns <= 0 {
		return []string{s}
	}
	var lines []string
	for {
		head, tail := cutLine(s, columns)
		lines = append(lines, head)
		if tail == "" {
			return lines
		}
		s = tail
	}
}

// cutLine splits a visible text after at most a number of columns, at a space if it can.
func cutLine(s string, columns int) (head, tail string) {
	if textWidth(s) <= columns {
		return s, ""
	}
	if head, tail = cutColumns(s, columns); head == "" { // a character is wider than the line
		head, tail = cutColumns(s, 2)
	}
	if space := strings.LastIndexByte(head, ' '); space > 0 && tail != "" && tail[0] != ' ' {
		head, tail = head[:space], head[space:]+tail
	}
	return head, strings.TrimPrefix(tail, " ")
}

// quotePrefix begins each line of somebody's words, so that no such line looks like a line of the program.
const quotePrefix = "  | "

// quote returns the lines of somebody's words, visible, each with the prefix, on a terminal of a number of columns; 0 for no
// limit.
func quote(words string, columns int) []string {
	if columns > 0 {
		columns = max(columns-len(quotePrefix), 1)
	}
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(words, "\t", "    "), "\n") {
		for _, part := range wrap(visible(line), columns) {
			lines = append(lines, quotePrefix+part)
		}
	}
	return lines
}
