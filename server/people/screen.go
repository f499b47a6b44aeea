package people

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// screen writes to a file that may be a terminal. It makes each text visible, and fits each line to the terminal.
type screen struct {
	out    *sink
	width  int  // columns of the terminal; 0 if there is none
	colour bool // only on a terminal
	exact  bool // times are exact, not relative
	now    time.Time
}

// sink is a file that keeps the first error of a write.
type sink struct {
	file *os.File
	err  error
}

// Write implements io.Writer. It writes nothing after an error.
func (s *sink) Write(text []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.file.Write(text)
	}
	return len(text), s.err
}

// done returns the failure of a write, if there was one. Then the person has not seen all.
func (s *screen) done() error {
	if s.out.err == nil {
		return nil
	}
	return fail(ExitFailed, "", "the output cannot be written: %v", s.out.err)
}

// newScreen returns the screen of a file.
func newScreen(out *os.File, exact bool) *screen {
	s := &screen{out: &sink{file: out}, exact: exact, now: time.Now()}
	if !term.IsTerminal(int(out.Fd())) {
		s.exact = true
		return s
	}
	const usual = 80
	s.width = usual
	if width, _, err := term.GetSize(int(out.Fd())); err == nil && width > 0 {
		s.width = width
	}
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// The styles, as SGR parameters.
const (
	styleTitle   = "1"
	styleWarning = "1;33"
)

// paint returns a text in a style. The text must be visible already.
func (s *screen) paint(style, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// print writes a text of the program.
func (s *screen) print(text string) { s.indent("", text) }

// printStyled is print in a style.
func (s *screen) printStyled(style, text string) { s.indentStyled(style, "", text) }

// hang is how much further in than the first line the further lines of a text are. So no word of a user begins a line.
const hang = 4

// indent writes a text after a prefix.
func (s *screen) indent(prefix, text string) { s.indentStyled("", prefix, text) }

// indentStyled is indent in a style. It makes the text visible and wraps it.
func (s *screen) indentStyled(style, prefix, text string) {
	text = visible(text)
	first, rest := text, ""
	if s.width > 0 {
		first, rest = cutLine(text, max(s.width-textWidth(prefix), 1))
	}
	s.line(style, prefix, first)
	if rest == "" {
		return
	}
	prefix = strings.Repeat(" ", textWidth(prefix)+hang)
	for _, line := range wrap(rest, max(s.width-textWidth(prefix), 1)) {
		s.line(style, prefix, line)
	}
}

func (s *screen) line(style, prefix, text string) {
	if style != "" {
		text = s.paint(style, text)
	}
	fmt.Fprintln(s.out, prefix+text)
}

// warn writes a warning of the program.
func (s *screen) warn(text string) { s.printStyled(styleWarning, "! "+text) }

// blank writes an empty line.
func (s *screen) blank() { fmt.Fprintln(s.out) }

// labelWidth is the number of columns of a label with its space.
const labelWidth = 14

// field writes a label and a value. Further lines of the value are below its first. On a narrow terminal the value has lines
// of its own.
func (s *screen) field(label, value string) {
	columns := 0
	if s.width > 0 {
		columns = s.width - labelWidth
	}
	if s.width > 0 && columns < labelWidth {
		s.printStyled(styleTitle, label)
		s.indent("  ", value)
		return
	}
	for i, line := range wrap(visible(value), columns) {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(s.out, "%s%s%s\n", s.paint(styleTitle, label), strings.Repeat(" ", max(labelWidth-textWidth(label), 1)), line)
	}
}

// words writes somebody's words under a heading of the program.
func (s *screen) words(heading, text string) {
	s.print(heading)
	for _, line := range quote(text, s.width) {
		fmt.Fprintln(s.out, line)
	}
}

// when returns a time, relative to now or exact.
func (s *screen) when(at time.Time) string {
	if s.exact {
		return at.UTC().Format(time.RFC3339)
	}
	return relative(at.Sub(s.now))
}

// whenOrDash is when of a time that may be missing.
func (s *screen) whenOrDash(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return s.when(*at)
}

// relative says how far away a time is, in its largest useful unit.
func relative(d time.Duration) string {
	amount := describe(d.Abs())
	switch {
	case amount == "":
		return "now"
	case d < 0:
		return amount + " ago"
	default:
		return "in " + amount
	}
}

// describe returns a duration in whole units; empty below a minute.
func describe(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return ""
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/day)
	}
}
