package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// HEAD has the status and the headers of GET, and no body, on every path that answers GET.
func TestHead_HasTheHeadersOfGet(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		certificate := s.RequestOlgasCertificate(t, "alice").CertificateID
		document := decodeSuccess[struct {
			Paths map[string]map[string]any
		}](t, send(t, s, "", http.MethodGet, "/openapi.json", ""), http.StatusOK)
		paths := []string{"/openapi.json", "/openapi.yaml", "/api/v1/nothing", "/api/v1/certificates/" + certificate, "/api/v1/profiles?limit=0"}
		for path, operations := range document.Paths {
			if operations["get"] != nil {
				paths = append(paths, strings.ReplaceAll(path, "{id}", "x-x"))
			}
		}
		if len(paths) < 20 {
			t.Fatalf("the document has only %v", paths)
		}
		for _, path := range paths {
			for _, who := range []string{"", "alice", "audrey"} {
				get := send(t, s, who, http.MethodGet, path, "", "X-Request-ID", "same")
				head := send(t, s, who, http.MethodHead, path, "", "X-Request-ID", "same")
				get.header.Del("Date")
				head.header.Del("Date")
				if head.status != get.status || head.body != "" || get.body == "" {
					t.Errorf("%s as %q: GET answers %d with %d bytes, HEAD %d with %d", path, who, get.status, len(get.body), head.status, len(head.body))
				}
				if diff := cmp.Diff(get.header, head.header); diff != "" {
					t.Errorf("%s as %q: %s", path, who, diff)
				}
			}
		}
		for _, path := range []string{"/api/v1/profiles/preview", "/api/v1/approvals/ar-x/approve"} {
			if got := send(t, s, "alice", http.MethodHead, path, ""); got.status != send(t, s, "alice", http.MethodGet, path, "").status {
				t.Errorf("HEAD %s: %d", path, got.status)
			}
		}
	}, servertest.NoWorkers())
}
