package app

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/pemfile"
)

// tlsPoll is how often the server looks whether the TLS files have changed.
const tlsPoll = 2 * time.Second

// tlsFiles has the TLS certificate of the API. It loads the files again after they changed. If they cannot be loaded, the
// last certificate stays.
type tlsFiles struct {
	certFile, keyFile string
	log               *slog.Logger

	mu       sync.Mutex
	current  *tls.Certificate
	loaded   filesState // of current
	suspect  filesState // of files that could not be loaded at the last look
	isFailed bool
}

// filesState identifies the content of both files, or the error that reading them had.
type filesState [sha256.Size]byte

// openTLSFiles loads the TLS files; nil if the API listens without TLS.
func (c ServeConfig) openTLSFiles(log *slog.Logger) (*tlsFiles, error) {
	if c.TLSCertFile == "" {
		return nil, nil //nolint:nilnil // every method of tlsFiles accepts nil
	}
	f := &tlsFiles{certFile: c.TLSCertFile, keyFile: c.TLSKeyFile, log: log}
	state, err := f.load(f.read())
	if err != nil {
		return nil, fmt.Errorf("CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: %w", err)
	}
	f.loaded = state
	return f, nil
}

// config returns the configuration of the listener; nil without TLS.
func (f *tlsFiles) config() *tls.Config {
	if f == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.current, nil
	}}
}

// hasFailed reports whether the files on disk cannot be loaded.
func (f *tlsFiles) hasFailed() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.isFailed
}

// leaf returns the certificate of the API; nil without TLS.
func (f *tlsFiles) leaf() *x509.Certificate {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current.Leaf
}

// watch loads the files again after they changed, and at each hang-up signal, until ctx ends.
func (f *tlsFiles) watch(ctx context.Context, hangUp <-chan os.Signal, log *slog.Logger) {
	ticker := time.NewTicker(tlsPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangUp:
			log.InfoContext(ctx, "received the hang-up signal: loading the TLS files, if there are any")
			f.look(true)
		case <-ticker.C:
			f.look(false)
		}
	}
}

// look loads the files if they changed. Files that cannot be loaded may be half written. So they count as failed if they are
// the same at the next look, or at once if somebody asked.
func (f *tlsFiles) look(asked bool) {
	if f == nil {
		return
	}
	cert, key, err := f.read() // without the lock: a handshake does not wait for a slow disk
	f.mu.Lock()
	defer f.mu.Unlock()
	if state := stateOf(cert, key, err); state == f.loaded {
		f.succeed("the TLS files are as they were loaded")
		return
	}
	state, err := f.load(cert, key, err)
	switch {
	case err == nil:
		f.loaded, f.isFailed = state, true // a change is always logged
		f.succeed("loaded the TLS files again")
	case asked || f.suspect == state:
		f.fail(err, asked)
	default:
		f.suspect = state
	}
}

func (f *tlsFiles) succeed(message string) {
	f.suspect = filesState{}
	if f.isFailed {
		f.isFailed = false
		f.log.Info(message, "subject", f.current.Leaf.Subject.String(), "not_after", f.current.Leaf.NotAfter) //nolint:sloglint // one of two constants
	}
}

// fail logs the error once, and again if somebody asked.
func (f *tlsFiles) fail(err error, asked bool) {
	if !f.isFailed || asked {
		f.log.Warn("the TLS files cannot be loaded: the API keeps the certificate that it has", "error", err, "not_after", f.current.Leaf.NotAfter)
	}
	f.isFailed = true
}

func (f *tlsFiles) read() (cert, key []byte, err error) {
	if cert, err = os.ReadFile(f.certFile); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(f.keyFile)
	return cert, key, err
}

func stateOf(cert, key []byte, err error) filesState {
	return sha256.Sum256(fmt.Appendf(nil, "%x %x %v", cert, key, err))
}

// load makes the content of both files current.
func (f *tlsFiles) load(cert, key []byte, err error) (filesState, error) {
	state := stateOf(cert, key, err)
	if err != nil {
		return state, err
	}
	chain, err := pemfile.ParseCertificates(f.certFile, cert)
	if err != nil {
		return state, err
	}
	private, err := pemfile.ParseKey(f.keyFile, key)
	if err != nil {
		return state, err
	}
	if err := f.checkPair(chain, private); err != nil {
		return state, err
	}
	certificate := &tls.Certificate{PrivateKey: private, Leaf: chain[0]}
	for _, c := range chain {
		certificate.Certificate = append(certificate.Certificate, c.Raw)
	}
	f.current = certificate
	return state, nil
}

func (f *tlsFiles) checkPair(chain []*x509.Certificate, key crypto.Signer) error {
	belongs := func(c *x509.Certificate) bool {
		public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && public.Equal(key.Public())
	}
	switch {
	case belongs(chain[0]):
		return nil
	case slices.ContainsFunc(chain, belongs):
		return fmt.Errorf("the API's own certificate must be the first one in %s", f.certFile)
	}
	return fmt.Errorf("the key in %s does not belong to the certificate in %s", f.keyFile, f.certFile)
}
