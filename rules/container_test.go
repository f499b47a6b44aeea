package rules

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestDecodeCSR(t *testing.T) {
	t.Parallel()
	plain := request(x509.CertificateRequest{}, p256Key())
	block, _ := pem.Decode([]byte(plain))
	relabel := strings.NewReplacer("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST").Replace
	withHeader := string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes, Headers: map[string]string{"A": "b"}}))
	privateKey := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(p256Key()))}))
	lines := strings.Split(strings.TrimSpace(plain), "\n")
	begin, end := lines[0], lines[len(lines)-1]
	content := strings.Join(lines[1:len(lines)-1], "")
	utf16Text := func(order func(uint16) []byte) string {
		var out []byte
		for _, u := range utf16.Encode([]rune(plain)) {
			out = append(out, order(u)...)
		}
		return string(out)
	}
	for name, c := range map[string]struct{ text, fault string }{
		"one block":                {plain, ""},
		"CRLF and blank lines":     {"\r\n" + strings.ReplaceAll(plain, "\n", "\r\n") + "\r\n", ""},
		"no newline at end":        {strings.TrimSpace(plain), ""},
		"the old label":            {relabel(plain), ""},
		"text around":              {"Subject: CN=a\n" + plain + "# end", ""},
		"a byte order mark":        {"\ufeff" + plain, ""},
		"one long line":            {begin + "\n" + content + "\n" + end, ""},
		"glued lines":              {begin + content + end, ""},
		"blanks for newlines":      {begin + " " + strings.Join(lines[1:len(lines)-1], " ") + " " + end, ""},
		"indented lines":           {strings.ReplaceAll(plain, "\n", "\n    "), ""},
		"a tab and a line sep":     {begin + "\t\u2028" + content + "\v\f\u0085" + end, ""},
		"nothing":                  {" \n", "required"},
		"no PEM":                   {"hello", "no PEM block"},
		"two blocks":               {plain + plain, "more than one"},
		"a second block, glued":    {plain + strings.ReplaceAll(plain, "\n", ""), "more than one"},
		"a second begin, spelled":  {plain + "- begin certificate request -", "more than one"},
		"a second begin, dashes":   {plain + "\u2014\u2014BEGIN", "more than one"},
		"a certificate":            {strings.ReplaceAll(plain, "CERTIFICATE REQUEST", "CERTIFICATE"), "this is a certificate"},
		"a public key":             {strings.ReplaceAll(plain, "CERTIFICATE REQUEST", "PUBLIC KEY"), "public key"},
		"two labels":               {strings.Replace(plain, "BEGIN CERT", "BEGIN NEW CERT", 1), "different types"},
		"cut off":                  {strings.Split(plain, "-----END")[0], "cut off"},
		"lower-case markers":       {strings.ToLower(begin) + "\n" + content, "capital letters"},
		"other dashes":             {strings.ReplaceAll(plain, "-----", "\u2014\u2014"), "five hyphens"},
		"no markers":               {content, "lacks its first"},
		"PEM headers":              {withHeader, "headers"},
		"no base64":                {begin + "\n!\n" + end, "base64"},
		"an empty block":           {begin + "\n" + end, "base64"},
		"much text around":         {strings.Repeat("x", 4097) + plain, "4096 bytes"},
		"too long":                 {plain + strings.Repeat("\n", 128<<10), "131072"},
		"a private key":            {privateKey, "private key"},
		"a private key beside":     {plain + privateKey, "private key"},
		"a private key, odd lines": {plain + strings.ReplaceAll(privateKey, "PRIVATE KEY", "PRIVATE\nKEY"), "private key"},
		"a printed private key":    {"Private-Key: (256 bit)\n priv:\n    00:11\n" + plain, "private key"},
		"a PuTTY key":              {"PuTTY-User-Key-File-3: x\n" + plain, "private key"},
		"a JSON web key":           {`{"d": "x"}` + "\n" + plain, "private key"},
		"a bare key beside":        {strings.Repeat("MIICdwIB", 8) + "\n" + plain, "base64 text around"},
		"a line of hyphens":        {"-----X\n" + plain, "line of hyphens"},
		"an end before the begin":  {"-----END CERTIFICATE REQUEST-----\n" + plain, "line of hyphens"},
		"a host named begin":       {"Subject: CN=web-begin.example.com\n" + plain, ""},
		"DER":                      {string(block.Bytes), "openssl req -inform DER"},
		"UTF-16, little end":       {"\xff\xfe" + utf16Text(func(u uint16) []byte { return []byte{byte(u), byte(u >> 8)} }), "UTF-16"},
		"UTF-16 without mark":      {utf16Text(func(u uint16) []byte { return []byte{byte(u >> 8), byte(u)} }), "UTF-16"},
		"a control character":      {plain + "\x01", "control character"},
		"no UTF-8":                 {plain + "\xff", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			der, err := DecodeCSR(c.text)
			switch {
			case c.fault == "" && (err != nil || !bytes.Equal(der, block.Bytes)):
				t.Errorf("not read: %v", err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("got %v, want %q", err, c.fault)
			case err != nil && strings.Contains(err.Error(), privateKey[40:60]):
				t.Error("the error repeats the private key")
			}
		})
	}
}
