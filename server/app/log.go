package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"
)

// NewLogger makes the configured logger. It writes to standard error.
func (c Config) NewLogger() *slog.Logger { return c.NewLoggerTo(os.Stderr) }

// NewLoggerTo makes the configured logger. Its times are in UTC. It escapes every character that could act on a terminal or
// show a text other than it is.
func (c Config) NewLoggerTo(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // checked by the enum
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: cleanAttr}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func cleanAttr(_ []string, a slog.Attr) slog.Attr {
	a.Key = escape(a.Key)
	switch a.Value.Kind() {
	case slog.KindTime:
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	case slog.KindString:
		a.Value = slog.StringValue(escape(a.Value.String()))
	case slog.KindAny:
		a.Value = cleanAny(a.Value)
	}
	return a
}

// cleanAny turns a value that has a text of its own into its escaped text.
func cleanAny(v slog.Value) slog.Value {
	switch text := v.Any().(type) {
	case *slog.Source, slog.Level:
		return v
	case error:
		return slog.StringValue(escape(text.Error()))
	case fmt.Stringer:
		return slog.StringValue(escape(text.String()))
	case []string:
		clean := make([]string, len(text))
		for i := range text {
			clean[i] = escape(text[i])
		}
		return slog.AnyValue(clean)
	default:
		return slog.StringValue(escape(fmt.Sprintf("%+v", text)))
	}
}

// escape writes control and format characters as \u and their number. The handlers escape those below U+0020, but not the
// other control characters, nor those that change the direction of a text.
func escape(text string) string {
	if !strings.ContainsFunc(text, mustEscape) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if mustEscape(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func mustEscape(r rune) bool {
	return r >= ' ' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
}
