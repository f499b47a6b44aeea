package review

import (
	"fmt"
	"strings"
)

// fact is a part of the news: a text, and the names behind it.
type fact struct {
	text  string
	names []string
}

// maxNewsNames is how many names one fact spells out.
const maxNewsNames = 3

// News returns one line that says what is new: "1 new name: pay.example.com; new key". Each name is written by show. If show
// is nil, the line has counts and no names.
func (r Review) News(show func(string) string) string {
	parts := make([]string, len(r.news))
	for i, f := range r.news {
		parts[i] = f.format(show)
	}
	return strings.Join(parts, "; ")
}

func (f fact) format(show func(string) string) string {
	if show == nil || len(f.names) == 0 {
		return f.text
	}
	shown := make([]string, 0, maxNewsNames+1)
	for _, name := range f.names[:min(maxNewsNames, len(f.names))] {
		shown = append(shown, show(name))
	}
	if rest := len(f.names) - maxNewsNames; rest > 0 {
		shown = append(shown, fmt.Sprintf("%d more", rest))
	}
	return f.text + ": " + strings.Join(shown, ", ")
}

// Count returns "1 name" or "2 names".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
