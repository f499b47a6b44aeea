package commands

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A server with another CA than the database knows does not start. ca replace changes the CA of all servers.
func TestCAReplace_ChangesTheCAOfAllServers(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) []string{
		"sqlite": func(t *testing.T) []string {
			servertest.NeedSQLite(t)
			return nil
		},
		"postgres": func(t *testing.T) []string { return []string{"CERTCTL_DATABASE_URL=" + newRoles(t).ownerURL} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			base := append(database(t), "CERTCTL_LOG_LEVEL=warn")
			before, after := append(newCA(t), base...), append(newCA(t), base...)
			runOK := func(env []string, args ...string) string {
				t.Helper()
				got := runCertctl(t, dir, env, args...)
				if got.failed || got.stderr != "" {
					t.Fatalf("%v: %s", args, got.stderr)
				}
				return strings.TrimSpace(got.stdout)
			}
			runOK(before, "migrate")
			runOK(before, "principal", "create", "alice", "--kind", "human", "--role", "operator", "--role", "auditor")
			key := runOK(before, "key", "create", "alice")
			withInfo := func(env []string) []string { return append(env[:len(env):len(env)], "CERTCTL_LOG_LEVEL=info") }
			server := startServer(t, dir, withInfo(before)...)
			alice := server.newClient(t, key)
			profile, err := alice.CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: newGatedSpec("profile")})
			if err != nil {
				t.Fatal(err)
			}
			certificate, err := alice.CreateCertificate(t.Context(), newCertificateBody(t, profile.ID))
			if err != nil {
				t.Fatal(err)
			}
			waiting, err := alice.RenewCertificate(t.Context(), certificate.ID, api.Renew{})
			if err != nil {
				t.Fatal(err)
			}
			server.stop()

			fingerprint := "[0-9a-f]{64}"
			refusal := regexp.MustCompile("^certctl: error: the database knows issuer iss-local by the certificate with the SHA-256 " + fingerprint +
				", and this server has the one with " + fingerprint + ": .* certctl ca replace .*\n$")
			if got := runCertctl(t, dir, after, "serve"); !got.failed || !refusal.MatchString(got.stderr) {
				t.Errorf("another CA: %+v", got)
			}
			if got := runOK(before, "ca", "replace"); !regexp.MustCompile("^nothing changed: the CA is " + fingerprint + " already$").MatchString(got) {
				t.Errorf("the same CA: %s", got)
			}
			output := runOK(after, "ca", "replace")
			for _, text := range []string{"restart every server with the new CA", waiting.ID, certificate.ID, *waiting.ApprovalID, "AwaitingApproval"} {
				if !strings.Contains(output, text) {
					t.Errorf("ca replace does not say %q:\n%s", text, output)
				}
			}
			if got := runCertctl(t, dir, before, "serve"); !got.failed || !refusal.MatchString(got.stderr) {
				t.Errorf("the former CA: %+v", got)
			}
			server = startServer(t, dir, withInfo(after)...)
			alice = server.newClient(t, key)
			servertest.WaitUntil(t, func() error { return alice.GetReady(t.Context()) })
			var actions []string
			for e, err := range alice.ListAuditEvents(t.Context(), client.ListAuditEventsOptions{ResourceID: "iss-local"}) {
				if err != nil {
					t.Fatal(err)
				}
				actions = append(actions, e.Actor+" "+e.Action)
			}
			if got := strings.Join(actions, ", "); got != "system-cli issuer_replaced, system-issuer issuer_added" {
				t.Errorf("the audit trail: %s", got)
			}
		})
	}
}

// If other users can read the key, a warning says what to do.
func TestServe_WarnsOfAReadableCAKey(t *testing.T) {
	servertest.NeedSQLite(t)
	t.Parallel()
	dir := t.TempDir()
	key := filepath.Join(dir, "certctl-data", "ca-key.pem")
	for _, c := range []struct {
		mode  os.FileMode
		warns bool
	}{{0o600, false}, {0o640, true}, {0o604, true}} {
		if _, err := os.Stat(key); err == nil {
			if err := os.Chmod(key, c.mode); err != nil {
				t.Fatal(err)
			}
		}
		server := startServer(t, dir)
		server.stop()
		hasWarning := strings.Contains(server.log.String(), `"run":"chmod 600 certctl-data/ca-key.pem"`)
		if hasWarning != c.warns {
			t.Errorf("mode %o: a warning is %t:\n%s", c.mode, hasWarning, server.log)
		}
	}
}

// ca init makes the kind of key, the name and the lifetime that were asked for.
func TestCAInit_TakesKeyNameAndDays(t *testing.T) {
	t.Parallel()
	for kind, algorithm := range map[string]string{
		"ecdsa-p256": "ECDSA 256", "ecdsa-p384": "ECDSA 384", "rsa-3072": "RSA 3072", "rsa-4096": "RSA 4096", "ed25519": "Ed25519 0",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			got := runCertctl(t, dir, nil, "ca", "init", "--key", kind, "--name", "Acme issuing CA", "--days", "30")
			if got.failed {
				t.Fatal(got.stderr)
			}
			text, err := os.ReadFile(filepath.Join(dir, strings.TrimSpace(got.stdout)))
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			size := 0
			switch key := cert.PublicKey.(type) {
			case *rsa.PublicKey:
				size = key.N.BitLen()
			case *ecdsa.PublicKey:
				size = key.Curve.Params().BitSize
			}
			days := time.Until(cert.NotAfter).Hours() / 24
			if found := fmt.Sprintf("%s %d", cert.PublicKeyAlgorithm, size); found != algorithm || cert.Subject.CommonName != "Acme issuing CA" || days < 29 || days > 30 {
				t.Errorf("%s, %s, %f days", found, cert.Subject, days)
			}
		})
	}
	for _, bad := range [][]string{{"--days", "0"}, {"--days", "40000"}, {"--name", strings.Repeat("n", 65)}, {"--name", "a\u202eb"}, {"--key", "dsa"}} {
		if got := runCertctl(t, t.TempDir(), nil, append([]string{"ca", "init"}, bad...)...); !got.failed {
			t.Errorf("%q is accepted", bad)
		}
	}
}
