package rules

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxCSRSize bounds the text of a CSR in bytes. It fits 1,000 names of 64 KiB in all.
	maxCSRSize = 128 << 10
	// maxAround bounds the text before and after the block in bytes. Some tools print the whole request there.
	maxAround = 4 << 10
)

var (
	// anyBegin matches the begin of a PEM block as any reader could spell it: one reader must not find a block that
	// another one skips.
	anyBegin = regexp.MustCompile(`(?im)(?:[-‐‑‒–—―−]{2,}|^\s*[-‐‑‒–—―−])\s*BEGIN`)
	// keyWords are what tools print around a private key, and the private members of a JSON web key.
	keyWords = regexp.MustCompile(`(?im)private[\s_-]*key|private[\s_-]*exponent|^\s*(?:priv|prime1)\s*:|PuTTY-User-Key-File|"d"\s*:`)
	// longBase64 matches a line that may be a key without its marks.
	longBase64 = regexp.MustCompile(`(?m)^\s*[A-Za-z0-9+/]{40,}={0,2}\s*$`)
	csrBlock   = regexp.MustCompile(`(?s)-----BEGIN ((?:NEW )?CERTIFICATE REQUEST)-----(.*?)-----END ((?:NEW )?CERTIFICATE REQUEST)-----`)
)

// DecodeCSR returns the DER in a PEM text with exactly one CSR. It accepts the label NEW CERTIFICATE REQUEST, up to 4 KiB
// of text around the block, a byte order mark, and any white space inside the block. It does not read the DER.
//
// No error repeats the text, since the text may be a secret that was pasted by mistake.
func DecodeCSR(text string) ([]byte, error) {
	if err := checkCSRText(text); err != nil {
		return nil, err
	}
	found := csrBlock.FindStringSubmatchIndex(text)
	if found == nil {
		return nil, explainNoBlock(text)
	}
	begin, content, end := text[found[2]:found[3]], text[found[4]:found[5]], text[found[6]:found[7]]
	switch {
	case begin != end:
		return nil, errors.New("the first and the last line of the CSR name different types")
	case found[0]+len(text)-found[1] > maxAround:
		return nil, fmt.Errorf("there are more than %d bytes of text around the CSR; send only the block", maxAround)
	case strings.Contains(text[:found[0]], "-----"), strings.Contains(text[found[1]:], "-----"):
		return nil, errors.New("there is a line of hyphens around the CSR, where another program could see a block; send only the block")
	case longBase64.MatchString(text[:found[0]]), longBase64.MatchString(text[found[1]:]):
		return nil, errors.New("there is base64 text around the CSR; send only the block")
	case strings.Contains(content, ":"):
		return nil, errors.New("the CSR block has PEM headers; send it without")
	}
	der, err := base64.StdEncoding.DecodeString(removeSpace(content))
	if err != nil || len(der) == 0 {
		return nil, errors.New("the CSR block is damaged: its content is not base64")
	}
	return der, nil
}

// checkCSRText refuses a text that no reader of PEM should be given.
func checkCSRText(text string) error {
	switch {
	case keyWords.MatchString(text):
		return errors.New("this is or contains a private key, which must never leave its machine: consider the key compromised, make a new one, and send only the CERTIFICATE REQUEST block")
	case len(text) > maxCSRSize:
		return fmt.Errorf("the CSR is longer than %d bytes", maxCSRSize)
	case strings.TrimSpace(text) == "":
		return errors.New("a CSR is required: one PEM block of type CERTIFICATE REQUEST")
	case isUTF16(text):
		return errors.New("the CSR is UTF-16 text; convert it to UTF-8: iconv -f UTF-16 -t UTF-8 request.csr")
	case isDER(text):
		return errors.New("the CSR is DER; convert it to PEM: openssl req -inform DER -in request.der")
	case !utf8.ValidString(text):
		return errors.New("the CSR is not UTF-8 text")
	case strings.ContainsFunc(text, isOddControl):
		return errors.New("the CSR has a control character; send the PEM text")
	case len(anyBegin.FindAllStringIndex(text, 2)) > 1:
		return errors.New("there is more than one PEM block; send exactly one of type CERTIFICATE REQUEST")
	}
	return nil
}

// isUTF16 reports whether a text is UTF-16: it begins with a byte order mark of UTF-16, or has a zero in about every second
// byte.
func isUTF16(text string) bool {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") || strings.HasPrefix(text, "\ufffe") {
		return true
	}
	const sample = 64
	return len(text) >= sample && strings.Count(text[:sample], "\x00") >= sample/3
}

// isDER reports whether a text is the DER of a long SEQUENCE, as bytes or as the characters of these bytes.
func isDER(text string) bool {
	return strings.HasPrefix(text, "0\x82") || strings.HasPrefix(text, "0\x81") ||
		strings.HasPrefix(text, "0\u0082") || strings.HasPrefix(text, "0\u0081") || strings.HasPrefix(text, "0\ufffd")
}

// isOddControl reports whether a character is a control character that is no white space.
func isOddControl(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }

// explainNoBlock says why a text has no CSR block.
func explainNoBlock(text string) error {
	upper := strings.ToUpper(text)
	switch {
	case strings.Contains(upper, "BEGIN CERTIFICATE-----"):
		return errors.New("this is a certificate, not a certificate request")
	case strings.Contains(upper, "PUBLIC KEY"):
		return errors.New("this is a public key, not a certificate request: make a CSR with it")
	case anyBegin.MatchString(text) && !strings.Contains(text, "-----BEGIN"):
		return errors.New("the first line of the CSR is misspelled; write -----BEGIN CERTIFICATE REQUEST----- with capital letters and five hyphens on each side")
	case strings.Contains(text, "-----BEGIN ") && !strings.Contains(text, "-----END "):
		return errors.New("the CSR has no last line: it was cut off")
	case looksLikeBase64(text):
		return errors.New("the CSR lacks its first and its last line: write -----BEGIN CERTIFICATE REQUEST----- before it and -----END CERTIFICATE REQUEST----- after it")
	}
	return errors.New("there is no PEM block of type CERTIFICATE REQUEST")
}

func looksLikeBase64(text string) bool {
	der, err := base64.StdEncoding.DecodeString(removeSpace(text))
	return err == nil && len(der) > 0 && der[0] == 0x30
}

// removeSpace removes white space and byte order marks.
func removeSpace(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\ufeff' {
			return -1
		}
		return r
	}, text)
}
