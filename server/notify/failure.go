package notify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// statusError is an answer that is no success.
type statusError int

func (e statusError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("it answered %d %s", int(e), http.StatusText(int(e))))
	if e >= 300 && e < 400 {
		text += ": redirects are not followed"
	}
	return text
}

// phrases are what describe tells of an error, by what the error contains. The texts of errors hold addresses, and
// addresses hold secrets, so nothing else of an error is told.
var phrases = []struct{ contains, tells string }{
	{"connection refused", "nothing listens there"},
	{"no such host", "there is no such host"},
	{"server misbehaving", "the name of the host could not be looked up"},
	{"context deadline exceeded", "it did not answer in time"},
	{"Client.Timeout", "it did not answer in time"},
	{"i/o timeout", "it did not answer in time"},
	{"timeout awaiting response headers", "it did not answer in time"},
	{"timed out", "it did not answer in time"},
	{"handshake timeout", "it did not answer in time"},
	{"certificate signed by unknown authority", "its TLS certificate is signed by an unknown authority"},
	{"certificate has expired", "its TLS certificate has expired or is not valid yet"},
	{"certificate is valid for", "its TLS certificate is for another host"},
	{"x509:", "its TLS certificate is not valid"},
	{"tls:", "no TLS connection could be made"},
	{"server gave HTTP response to HTTPS client", "it speaks no TLS"},
	{"connection reset by peer", "it closed the connection"},
	{"broken pipe", "it closed the connection"},
	{"EOF", "it closed the connection"},
	{"network is unreachable", "the network is unreachable"},
	{"no route to host", "there is no route to the host"},
	{"redirect", "it redirects, and redirects are not followed"},
}

// describe says what went wrong in words of this program, without an address.
func describe(err error) string {
	var status statusError
	if errors.As(err, &status) {
		return status.Error()
	}
	var mail *textproto.Error
	if errors.As(err, &mail) {
		return fmt.Sprintf("the mail server answered %d", mail.Code)
	}
	text := err.Error()
	for _, p := range phrases {
		if strings.Contains(text, p.contains) {
			return p.tells
		}
	}
	for code := 400; code < 600; code++ {
		if words := http.StatusText(code); words != "" && strings.Contains(text, fmt.Sprintf("%d %s", code, words)) {
			return statusError(code).Error()
		}
	}
	return "it did not take the message"
}

// decodeSecret returns the bytes of a secret, with or without its prefix.
func decodeSecret(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	switch {
	case err != nil:
		return nil, errors.New("is not whsec_ and Base64: make one with: echo whsec_$(openssl rand -base64 32)")
	case len(key) < minSecret || len(key) > maxSecret:
		return nil, fmt.Errorf("has %d bytes: it must have %d to %d", len(key), minSecret, maxSecret)
	}
	return key, nil
}
