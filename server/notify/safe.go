package notify

import (
	"fmt"
	"strings"
)

// maxShown bounds the characters of one value in a text. The longest DNS name has 253.
const maxShown = 255

// safe writes a value of a user so that no client makes a link, a mention or a format of it: www[.]example[.]com. Letters,
// digits and hyphens stand for themselves. A dot, a colon, a slash and an at sign stand in brackets. An asterisk becomes
// [wildcard]; an underscore stands for itself between letters and digits, and becomes [underscore] elsewhere. Every other
// character becomes its number: [U+202E].
func safe(value string) string {
	runes := []rune(value)
	var b strings.Builder
	for i, r := range runes[:min(len(runes), maxShown)] {
		switch {
		case isPlain(r) || r == '_' && i > 0 && i+1 < len(runes) && isPlain(runes[i-1]) && isPlain(runes[i+1]):
			b.WriteRune(r)
		case strings.ContainsRune(".:/@", r):
			b.WriteString("[" + string(r) + "]")
		case r == '*':
			b.WriteString("[wildcard]")
		case r == '_':
			b.WriteString("[underscore]")
		default:
			fmt.Fprintf(&b, "[U+%04X]", r)
		}
	}
	if len(runes) > maxShown {
		fmt.Fprintf(&b, " (%d characters more)", len(runes)-maxShown)
	}
	return b.String()
}

func isPlain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
}
