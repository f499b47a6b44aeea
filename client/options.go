package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Option changes a setting of a client.
type Option func(*settings) error

type settings struct {
	httpClient *http.Client
	roots      *x509.CertPool
	identity   []tls.Certificate
	userAgent  string
	retries    int
	timeout    time.Duration
	observer   func(context.Context, Attempt)
	onAnswer   func([]byte)
}

// Setting is a setting of a client that can be wrong.
type Setting string

// The settings that New checks.
const (
	SettingEndpoint Setting = "endpoint"
	SettingAPIKey   Setting = "api_key"
	SettingCAFile   Setting = "ca_file"
	SettingCAPEM    Setting = "ca_pem"
	SettingRetries  Setting = "retries"
	SettingTimeout  Setting = "timeout"

	SettingClientCertificate Setting = "client_certificate"
)

// SettingError is the error of a wrong setting.
type SettingError struct {
	Setting Setting
	Err     error
}

// Error says what is wrong with the setting.
func (e *SettingError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SettingError) Unwrap() error { return e.Err }

func newSettingError(s Setting, format string, args ...any) error {
	return &SettingError{Setting: s, Err: fmt.Errorf(format, args...)}
}

// WithCAFile trusts the CAs in a PEM file for the server's certificate, instead of the CAs of the system.
func WithCAFile(path string) Option {
	return func(s *settings) error {
		pem, err := os.ReadFile(path)
		if err != nil {
			return newSettingError(SettingCAFile, "the CA file cannot be read: %w", err)
		}
		if s.roots = newPool(pem); s.roots == nil {
			return newSettingError(SettingCAFile, "the CA file %s holds no PEM certificate", path)
		}
		return nil
	}
}

// WithCAPEM trusts the CAs in PEM text for the server's certificate, instead of the CAs of the system.
func WithCAPEM(pem string) Option {
	return func(s *settings) error {
		if s.roots = newPool([]byte(pem)); s.roots == nil {
			return newSettingError(SettingCAPEM, "the text holds no PEM certificate")
		}
		return nil
	}
}

// newPool returns the certificates in PEM text, or nil if there are none.
func newPool(pem []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil
	}
	return pool
}

// WithClientCertificate shows a certificate to a server or proxy that asks for one. Both arguments are PEM text. Further
// certificates of the chain follow the first.
func WithClientCertificate(certificate, key string) Option {
	return func(s *settings) error {
		pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		if err != nil {
			return newSettingError(SettingClientCertificate, "the client certificate and its key cannot be used: %w", err)
		}
		s.identity = []tls.Certificate{pair}
		return nil
	}
}

// WithHTTPClient replaces the HTTP client. The options of TLS have no effect on the replacement.
func WithHTTPClient(h *http.Client) Option {
	return func(s *settings) error { s.httpClient = h; return nil }
}

// WithUserAgent sets the header User-Agent.
func WithUserAgent(ua string) Option {
	return func(s *settings) error { s.userAgent = ua; return nil }
}

// WithRetries sets how often a request is sent again. The default is 3; 0 turns retries off. If a server has answered before
// and is away now, a request is sent again until the timeout.
func WithRetries(most int) Option {
	return func(s *settings) error {
		if most < 0 {
			return newSettingError(SettingRetries, "the number of retries is negative")
		}
		s.retries = most
		return nil
	}
}

// WithTimeout bounds each operation, including its retries. The default is 30 s.
func WithTimeout(d time.Duration) Option {
	return func(s *settings) error {
		if d <= 0 {
			return newSettingError(SettingTimeout, "the request timeout is not positive")
		}
		s.timeout = d
		return nil
	}
}

// newHTTPClient returns a client that follows no redirect. The API has none, and another host must not get the key.
func (s settings) newHTTPClient() *http.Client {
	h := http.Client{}
	if s.httpClient != nil {
		h = *s.httpClient
	} else {
		h.Transport = newTransport(s.roots, s.identity)
	}
	if h.Transport == nil {
		h.Transport = http.DefaultTransport
	}
	h.Transport = fullAnswers{h.Transport}
	if s.observer != nil {
		h.Transport = observed{h.Transport, s.observer}
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &h
}

func newTransport(roots *x509.CertPool, identity []tls.Certificate) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConnsPerHost = 32 // Terraform runs at least ten requests at once
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: identity}
	return t
}

// parseEndpoint refuses an endpoint that would send the key to an unexpected place. No message repeats the endpoint, which
// may hold a password.
func parseEndpoint(endpoint string) (string, error) {
	if endpoint == "" {
		return "", newSettingError(SettingEndpoint, "the endpoint is empty")
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" {
		return "", newSettingError(SettingEndpoint, "the endpoint is not a URL: it begins with https://, like https://certctl.example.com")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", newSettingError(SettingEndpoint, "the endpoint must begin with https:// (or http:// on this machine)")
	case u.User != nil:
		return "", newSettingError(SettingEndpoint, "the endpoint must not hold a user or password: the API key is the only credential")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", newSettingError(SettingEndpoint, "the endpoint must not have a query or fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", newSettingError(SettingEndpoint, "the endpoint must begin with https://: over http:// others on the network could read the API key on its way to %s", u.Hostname())
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if strings.HasSuffix(path, basePath) {
		return "", newSettingError(SettingEndpoint, "the endpoint must not end in %s: leave that off", basePath)
	}
	return u.Scheme + "://" + u.Host + path, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
