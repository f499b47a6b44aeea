package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newPair returns a certificate with a common name and its key, as PEM.
func newPair(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// Each change of the state is logged once. Files that cannot be loaded count only at the second look: they may be half written.
func TestTLSFiles_LogEachChangeOnce(t *testing.T) {
	t.Parallel()
	certA, keyA := newPair(t, "a")
	certB, keyB := newPair(t, "b")
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(cert, key string) {
		t.Helper()
		for file, text := range map[string]string{certFile: cert, keyFile: key} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(certA, keyA)
	var log bytes.Buffer
	files, err := ServeConfig{TLSCertFile: certFile, TLSKeyFile: keyFile}.openTLSFiles(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name      string
		change    func()
		looks     int
		asked     bool
		served    string
		failed    bool
		warnings  int
		successes int
	}{
		{"nothing changed", func() {}, 5, false, "a", false, 0, 0},
		{"asked without a change", func() {}, 1, true, "a", false, 0, 0},
		{"the certificate is written before its key", func() { write(certB, keyA) }, 1, false, "a", false, 0, 0},
		{"the key follows", func() { write(certB, keyB) }, 5, false, "b", false, 0, 1},
		{"the key belongs to another certificate", func() { write(certB, keyA) }, 5, false, "b", true, 1, 0},
		{"another fault", func() { write(certB[:100], keyB) }, 5, false, "b", true, 0, 0},
		{"asked with a fault", func() {}, 1, true, "b", true, 1, 0},
		{"as before the fault", func() { write(certB, keyB) }, 5, false, "b", false, 0, 1},
		{"garbage at the end", func() { write(certA+"garbage", keyA) }, 5, false, "b", true, 1, 0},
		{"mended", func() { write(certA, keyA) }, 5, false, "a", false, 0, 1},
		{"no key", func() { _ = os.Remove(keyFile) }, 5, false, "a", true, 1, 0},
		{"asked at once", func() { write(certB, keyB) }, 1, true, "b", false, 0, 1},
		{"asked with half a pair", func() { write(certA, keyB) }, 1, true, "b", true, 1, 0},
	} {
		step.change()
		log.Reset()
		for range step.looks {
			files.look(step.asked)
		}
		served, err := files.config().GetCertificate(nil)
		if err != nil || served.Leaf.Subject.CommonName != step.served || files.hasFailed() != step.failed {
			t.Errorf("%s: serves %s, failed %t, %v", step.name, served.Leaf.Subject, files.hasFailed(), err)
		}
		warnings, successes := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "level=INFO")
		if warnings != step.warnings || successes != step.successes {
			t.Errorf("%s: the log is\n%s", step.name, &log)
		}
	}
}
