// cspell:ignore dmarc elpmaxe 31mred mred

package notify

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

// hostile are texts that clients of chats and mail act on.
//
// cspell:ignore dmarc elpmaxe mred
var hostile = map[string]string{
	"www.example.com":                     "www[.]example[.]com",
	"*.example.com":                       "[wildcard][.]example[.]com",
	"_dmarc.jane_doe.example.com":         "[underscore]dmarc[.]jane_doe[.]example[.]com",
	"ops@example.com":                     "ops[@]example[.]com",
	"https://evil.test/a":                 "https[:][/][/]evil[.]test[/]a",
	"<!channel>":                          "[U+003C][U+0021]channel[U+003E]",
	"<https://evil.test|Approve>":         "[U+003C]https[:][/][/]evil[.]test[U+007C]Approve[U+003E]",
	"[Approve](//evil.test)":              "[U+005B]Approve[U+005D][U+0028][/][/]evil[.]test[U+0029]",
	"@everyone":                           "[@]everyone",
	"**bold** `code` ~~gone~~":            "[wildcard][wildcard]bold[wildcard][wildcard][U+0020][U+0060]code[U+0060][U+0020][U+007E][U+007E]gone[U+007E][U+007E]",
	"<script>alert(1)</script>":           "[U+003C]script[U+003E]alert[U+0028]1[U+0029][U+003C][/]script[U+003E]",
	"a\r\nBcc: eve@evil.test":             "a[U+000D][U+000A]Bcc[:][U+0020]eve[@]evil[.]test",
	"\u202emoc.elpmaxe":                   "[U+202E]moc[.]elpmaxe",
	"\x1b[31mred\x00":                     "[U+001B][U+005B]31mred[U+0000]",
	"\U0001f512 \u05e9\u05dc\u05d5\u05dd": "[U+1F512][U+0020][U+05E9][U+05DC][U+05D5][U+05DD]",
	"# heading\n> quote\n1. list":         "[U+0023][U+0020]heading[U+000A][U+003E][U+0020]quote[U+000A]1[.][U+0020]list",
	"&lt;b&gt;":                           "[U+0026]lt[U+003B]b[U+0026]gt[U+003B]",
}

func TestSafe_LeavesNothingThatAClientActsOn(t *testing.T) {
	t.Parallel()
	for text, want := range hostile {
		if got := safe(text); got != want {
			t.Errorf("%q is written as %q, want %q", text, got, want)
		}
	}
	long := safe(strings.Repeat("a", 10_000))
	if want := strings.Repeat("a", maxShown) + " (9745 characters more)"; long != want {
		t.Errorf("a long text is written as %q", long)
	}
}

// Two texts that differ are written differently, so a message shows no name as another.
func FuzzSafe(f *testing.F) {
	for text := range hostile {
		f.Add(text, text+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := []rune(a), []rune(b)
		if len(x) > maxShown || len(y) > maxShown {
			t.Skip("texts are cut")
		}
		if strings.ContainsFunc(safe(a), func(r rune) bool { return r > unicode.MaxASCII || strings.ContainsRune("*`~<>|()#!&\"'\\\n\r", r) }) {
			t.Errorf("%q is written as %q", a, safe(a))
		}
		if !slices.Equal(x, y) && safe(a) == safe(b) {
			t.Errorf("%q and %q are both written as %q", a, b, safe(a))
		}
	})
}
