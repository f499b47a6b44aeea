package rest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A file that is no PEM text gets an answer that names its form and the command that converts it. A CSR with many faults
// gets all of them, the most dangerous first.
func TestCSR_FaultsHelp(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, false)
		for file, want := range map[string]string{
			"cn-only.der": "openssl req -inform DER", "pem-utf16le.csr": "iconv -f UTF-16", "cn-only-nomarkers.txt": "-----BEGIN CERTIFICATE REQUEST-----",
			"ca-true.csr": "CA:TRUE", "key-ec-explicit.csr": "explicit curve parameters", "two-common-names.csr": "payroll.example.com",
			"ip-as-dns.csr": "write IP:172.16.200.200",
		} {
			text, err := os.ReadFile("../../../rules/testdata/csr/" + file)
			if err != nil {
				t.Fatal(err)
			}
			// A client that reads the file as Latin-1 sends each byte as a character.
			var sent strings.Builder
			for _, b := range text {
				sent.WriteRune(rune(b))
			}
			body, err := json.Marshal(map[string]any{"profile_id": p.ID, "sans": []string{"a.example.com"}, "csr_pem": sent.String()})
			if err != nil {
				t.Fatal(err)
			}
			a := send(t, s, "olga", http.MethodPost, "/api/v1/certificates", string(body))
			if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `"pointer":"/csr_pem"`) || !strings.Contains(a.body, want) {
				t.Errorf("%s: %d %s", file, a.status, a.body)
			}
		}
	})
}

// A preview with a CSR alone proposes the names to send, and a create with these names is accepted.
func TestPreviewCertificate_ProposesNames(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, false)
		text, err := os.ReadFile("../../../rules/testdata/csr/keytool-full-dn.csr")
		if err != nil {
			t.Fatal(err)
		}
		body := map[string]any{"profile_id": p.ID, "csr_pem": string(text)}
		preview := previewOf(t, s, body)
		if preview.Outcome != api.CertificateRefused || preview.Proposed.CommonName != "keytool.example.com" || len(preview.CSRIgnored) == 0 {
			t.Errorf("%+v", preview)
		}
		body["common_name"], body["sans"] = preview.Proposed.CommonName, preview.Proposed.SANs
		if again := previewOf(t, s, body); again.Outcome != api.CertificateCreates || again.Problem != nil {
			t.Errorf("%+v", again)
		}
	})
}

func previewOf(t *testing.T, s *servertest.Server, body map[string]any) (p api.CertificatePreview) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	a := send(t, s, "vera", http.MethodPost, "/api/v1/certificates/preview", string(text))
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return p
}
