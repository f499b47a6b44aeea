package rules_test

import (
	"testing"
	"unicode"

	"github.com/certctl/terraform-provider-certctl/rules"
)

func TestTextFault(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]struct{ several, line bool }{
		"":               {true, true},
		"Production CDN": {true, true},
		"Süd-Öst, 東京, بغداد, №5 😀": {true, true},
		"two\nlines":             {true, false},
		"a\ttab":                 {true, false},
		"a\u00a0no-break space":  {true, false},
		"a\u3000wide space":      {true, false},
		"zero\u200bwidth":        {true, false},
		"zero\u200djoiner":       {true, false},
		"byte\ufefforder mark":   {true, false},
		"soft\u00adhyphen":       {true, false},
		"a\U000e0041tag":         {true, false},
		"a variation\ufe0e":      {true, false},
		"a filler\u3164":         {true, false},
		"a\rreturn":              {false, false},
		"a\u0000NUL":             {false, false},
		"next\u0085line":         {false, false},
		"a line\u2028separator":  {false, false},
		"a paragraph\u2029break": {false, false},
		"e\u0301 is not NFC":     {false, false},
		"\xff is not UTF-8":      {false, false},
	} {
		check(t, s, want.several, want.line)
	}
	for _, r := range "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" {
		check(t, "reversed "+string(r), false, false)
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Cf, r) || r != ' ' && unicode.In(r, unicode.Z) {
			if rules.LineFault(string(r)) == "" {
				t.Errorf("%U is allowed in a line", r)
			}
		}
	}
}

func check(t *testing.T, s string, several, line bool) {
	t.Helper()
	if fault := rules.TextFault(s); (fault == "") != several {
		t.Errorf("%+q in several lines: %q", s, fault)
	}
	if fault := rules.LineFault(s); (fault == "") != line {
		t.Errorf("%+q in a line: %q", s, fault)
	}
}
