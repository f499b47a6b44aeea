package commands

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// With TLS files the API only accepts TLS 1.2 or newer.
func TestServe_NeedsTLS12WithTLSFiles(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	server := startServer(t, t.TempDir(), "CERTCTL_LISTEN=0.0.0.0:0", "CERTCTL_TLS_CERT_FILE="+f.path("ca.pem"), "CERTCTL_TLS_KEY_FILE="+f.path("ca-key.pem"))
	_, port, err := net.SplitHostPort(server.address)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	for version, works := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		// The client would accept an older version.
		client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: version, MaxVersion: version},
		}}
		resp, err := client.Get("https://127.0.0.1:" + port + "/healthz")
		switch {
		case works && (err != nil || resp.StatusCode != http.StatusOK):
			t.Errorf("%s does not work: %v", tls.VersionName(version), err)
		case !works && (err == nil || !strings.Contains(err.Error(), "protocol version not supported")):
			t.Errorf("%s is not refused by the server: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if status, _ := getPage(t, "http://127.0.0.1:"+port+"/healthz"); status != http.StatusBadRequest {
		t.Errorf("without TLS: %d", status)
	}
}

// The metrics and the API have separate addresses. Neither serves the other.
func TestServe_ServesMetricsApart(t *testing.T) {
	t.Parallel()
	server := startServer(t, t.TempDir())
	for page, want := range map[string]int{
		server.metrics + "/metrics": http.StatusOK, server.metrics + "/healthz": http.StatusNotFound, server.metrics + "/api/v1/profiles": http.StatusNotFound,
		server.metrics + "/debug/pprof/": http.StatusNotFound,
		server.address + "/metrics":      http.StatusNotFound, server.address + "/healthz": http.StatusOK, server.address + "/readyz": http.StatusOK,
		server.address + "/openapi.json": http.StatusOK, server.address + "/api/v1/profiles": http.StatusUnauthorized,
		server.address + "/debug/pprof/": http.StatusNotFound,
	} {
		status, body := getPage(t, "http://"+page)
		if status != want || strings.Contains(body, "certctl_approval_bypass_enabled 0") != (page == server.metrics+"/metrics") {
			t.Errorf("%s: %d\n%.300s", page, status, body)
		}
		head, err := http.Head("http://" + page)
		if err != nil {
			t.Fatal(err)
		}
		if head.Body.Close(); head.StatusCode != want {
			t.Errorf("HEAD %s: %d", page, head.StatusCode)
		}
	}
	withoutMetrics := startServer(t, t.TempDir(), "CERTCTL_METRICS_LISTEN=")
	if withoutMetrics.metrics != "" {
		t.Errorf("turned off, the metrics are at %s", withoutMetrics.metrics)
	}
}

func getPage(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
