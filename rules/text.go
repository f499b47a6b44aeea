package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// TextFault returns why certctl refuses a text of several lines; empty if it does not. Newlines and tabs are allowed.
func TextFault(s string) string { return checkText(s, faultOf) }

// LineFault returns why certctl refuses a text of one line, such as a name; empty if it does not. It refuses everything
// that TextFault refuses, and every invisible character but the plain space. So two different lines never look the same.
func LineFault(s string) string { return checkText(s, lineFaultOf) }

// spacingFault returns why a text of one line looks like another one that differs in its spaces; empty if it does not.
func spacingFault(s string) string {
	switch trimmed := strings.TrimSpace(s); {
	case trimmed == "":
		return "is blank"
	case trimmed != s:
		return "begins or ends with white space"
	case strings.Contains(s, "  "):
		return "has two spaces in a row"
	}
	return ""
}

func checkText(s string, faultOf func(rune) string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if fault := faultOf(r); fault != "" {
			return fault
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return "is not in Unicode normalisation form NFC"
	}
	return ""
}

func faultOf(r rune) string {
	switch {
	case unicode.IsControl(r) && r != '\n' && r != '\t':
		return "has a control character; only newline and tab are allowed"
	case unicode.Is(unicode.Bidi_Control, r):
		return "has a character that changes the direction of the text"
	case r == '\u2028' || r == '\u2029':
		return "has a line or paragraph separator (U+2028, U+2029); write a newline"
	}
	return ""
}

func lineFaultOf(r rune) string {
	switch {
	case r == '\n' || r == '\t':
		return "has a newline or a tab"
	case faultOf(r) != "":
		return faultOf(r)
	case r != ' ' && unicode.IsSpace(r):
		return "has a space that is not U+0020"
	case unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		return "has an invisible character"
	}
	return ""
}
