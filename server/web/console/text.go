package console

import (
	"fmt"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/server/review"
)

// visible returns a text of a user as HTML. Each character that a reader cannot see, or that moves others, becomes its number,
// as <U+202E>. Newlines stay.
func visible(text string) template.HTML {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return isHidden(r) || isMark(r) }) {
		return template.HTML(template.HTMLEscapeString(text)) //nolint:gosec // it is escaped
	}
	var b strings.Builder
	marks := 0
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		marks = countMarks(marks, r)
		if isHidden(r) || marks > maxMarks {
			fmt.Fprintf(&b, `<span class="hidden-character">&lt;U+%04X&gt;</span>`, r)
			continue
		}
		template.HTMLEscape(&b, []byte(string(r)))
	}
	return template.HTML(b.String()) //nolint:gosec // every character of the text is escaped above
}

// plain is visible for a place that takes no elements, such as the title of a page.
func plain(text string) string {
	var b strings.Builder
	marks := 0
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		marks = countMarks(marks, r)
		if isHidden(r) || marks > maxMarks {
			fmt.Fprintf(&b, "<U+%04X>", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// maxMarks bounds the combining marks on one character. More of them draw over the lines above and below.
const maxMarks = 2

func countMarks(before int, r rune) int {
	if isMark(r) {
		return before + 1
	}
	return 0
}

func isMark(r rune) bool { return r > unicode.MaxLatin1 && unicode.Is(unicode.M, r) }

// isHidden reports whether a character has no shape of its own.
func isHidden(r rune) bool {
	if r >= ' ' && r <= '~' {
		return false
	}
	switch r {
	case '\n', '\t':
		return false
	case '\u2800': // a Braille pattern without dots
		return true
	}
	return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Control characters, which no name has, show where a name begins and ends.
const nameBegins, nameEnds = "\x02", "\x03"

func markName(name string) string {
	return nameBegins + strings.NewReplacer(nameBegins, "", nameEnds, "").Replace(name) + nameEnds
}

// withNames returns a sentence as HTML. Names that markName marked are set apart from the words.
func withNames(sentence string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(sentence, nameBegins) {
		name, words, isNamed := strings.Cut(part, nameEnds)
		if i == 0 || !isNamed {
			b.WriteString(string(visible(part)))
			continue
		}
		fmt.Fprintf(&b, `<bdi class="name">%s</bdi>%s`, visible(name), visible(words))
	}
	return template.HTML(b.String()) //nolint:gosec // visible escapes every part
}

// newsOf returns the line that says what is new, as HTML.
func newsOf(r review.Review) template.HTML { return withNames(r.News(markName)) }

// warningOf returns a warning as HTML.
func warningOf(w review.Warning) template.HTML { return withNames(w.Format(markName)) }

// words are what a user wrote, under the author's name.
type words struct{ By, Text string }

func newWords(by, text string) words { return words{by, text} }

// wrote introduces the words of a person, who may be unknown.
func wrote(author any) string {
	switch a := author.(type) {
	case string:
		return a + " wrote"
	case *string:
		if a != nil {
			return *a + " wrote"
		}
	}
	return "Somebody wrote"
}

// sentenceOf ends the detail of a problem with a full stop.
func sentenceOf(detail string) string {
	if detail == "" || strings.HasSuffix(detail, ".") {
		return detail
	}
	return detail + "."
}

// differing returns a name as HTML. The part that another name does not have in the same place is marked.
func differing(name, other string) template.HTML {
	a, b := []rune(name), []rune(other)
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	middle := visible(string(a[begin : len(a)-end]))
	if middle != "" {
		middle = "<mark>" + middle + "</mark>"
	}
	return visible(string(a[:begin])) + middle + visible(string(a[len(a)-end:]))
}

// classOf returns the class of a value in a table: the first mark says how much it stands out.
func classOf(item review.Item) string {
	if len(item.Marks) == 0 {
		return "plain"
	}
	switch item.Marks[0] {
	case review.LookAlike, review.International, review.Wildcard:
		return "danger"
	case review.New:
		return "new"
	case review.Gone:
		return "gone"
	default:
		return "plain"
	}
}
