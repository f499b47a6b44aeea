package httpapi

import (
	"bytes"
	"errors"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// Text is part of every input that has a body: its text is checked beside its form, so that all faults of form are
// told together.
type Text struct{ RawBody []byte }

// Resolve implements huma.Resolver.
func (b *Text) Resolve(huma.Context) []error {
	faults, err := textFaults(b.RawBody)
	if err != nil {
		return nil // bad syntax has been refused already
	}
	return faults
}

// textFaults finds every string of a JSON text that certctl would not keep as it is: control characters but newline
// and tab, and spellings that are not NFC. A CSR is no text: it may have carriage returns and is checked as what it is.
func textFaults(text []byte) ([]error, error) {
	var faults []error
	decoder := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.ReadToken()
		if errors.Is(err, io.EOF) {
			return faults, nil
		}
		if err != nil {
			return nil, err
		}
		if token.Kind() != '"' {
			continue
		}
		at := string(decoder.StackPointer())
		if detail := textFault(token.String(), at == "/csr_pem"); detail != "" {
			faults = append(faults, &huma.ErrorDetail{Location: pointerLocation + at, Message: detail})
		}
	}
}

// pointerLocation marks a location that is a JSON pointer already.
const pointerLocation = "pointer."

func textFault(s string, multiline bool) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if r == '\r' && multiline {
			continue
		}
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return "has a control character; only newline and tab are allowed"
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return "is not in Unicode normalisation form NFC"
	}
	return ""
}
