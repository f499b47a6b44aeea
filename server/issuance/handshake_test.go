package issuance_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// site is an issued certificate: its only name, and the files of a server that has it.
type site struct{ name, key, chain, store string }

// target is a site on a server, and the name by which a client connects to it.
type target struct{ server, name, port string }

const wrongName = "wrong.example.com"

// Go, OpenSSL, GnuTLS and Java shake hands with a leaf for RSA and one for ECDSA on servers of Go, OpenSSL, Java and nginx. With
// another name each client refuses.
func TestHandshake_EveryClientTrustsEveryServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	dir := t.TempDir()
	sites, ca := issueSites(t, s, dir)
	var targets []target
	for server, start := range map[string]func(*testing.T, []site) []string{
		"Go": serveInGo, "OpenSSL": serveInOpenSSL, "Java": serveInJava, "nginx": serveInNginx,
	} {
		for i, port := range start(t, sites) {
			targets = append(targets, target{server, sites[i].name, port}, target{server, wrongName, port})
		}
	}
	for client, connect := range map[string]func(*testing.T, string, []target) []string{
		"Go": connectInGo, "OpenSSL": connectInOpenSSL, "GnuTLS": connectInGnuTLS, "Java": connectInJava,
	} {
		results := connect(t, ca, targets)
		if len(results) != len(targets) {
			t.Fatalf("%s: %d results for %d targets: %s", client, len(results), len(targets), results)
		}
		for i, result := range results {
			if accepted, want := result == "ok", targets[i].name != wrongName; accepted != want {
				t.Errorf("%s, connected to %s as %s: %s", client, targets[i].server, targets[i].name, result)
			}
		}
	}
}

// issueSites issues a certificate for an RSA key and one for an ECDSA key. It returns them and the file of the CA.
func issueSites(t *testing.T, s *servertest.Server, dir string) (sites []site, ca string) {
	t.Helper()
	profile := s.CreateProfileAsOlga(t, false)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(dir, "ca.pem")
	for _, key := range []struct {
		name   string
		signer crypto.Signer
	}{{"rsa.example.com", rsaKey}, {"ecdsa.example.com", ecdsaKey}} {
		spec := api.DefaultCertificateSpec()
		spec.ProfileID, spec.SANs, spec.CSRPEM = profile.ID, []string{key.name}, newCSR(t, key.signer)
		leaf := issueLeaf(t, s, spec)
		writeFile(t, ca, []byte(leaf.ChainPEM))
		sites = append(sites, writeSite(t, filepath.Join(dir, key.name), key.name, key.signer, leaf))
	}
	return sites, ca
}

func writeSite(t *testing.T, path, name string, key crypto.Signer, leaf *api.Leaf) site {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := site{name, path + ".key", path + ".pem", path + ".p12"}
	writeFile(t, files.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	writeFile(t, files.chain, []byte(leaf.CertificatePEM+leaf.ChainPEM))
	runVerifier(t, "openssl", "pkcs12", "-export", "-inkey", files.key, "-in", files.chain, "-out", files.store, "-passout", "pass:changeit")
	return files
}

// start starts a program that runs until the test ends, and returns its output.
func start(t *testing.T, files []*os.File, env []string, name string, args ...string) *bufio.Scanner {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.ExtraFiles, cmd.Env = files, append(os.Environ(), env...)
	cmd.Stderr, cmd.WaitDelay = t.Output(), time.Minute
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // nginx would leave its workers behind
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // some programs end when their input ends
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cancel()
		_ = cmd.Wait() // an error: it was ended by a signal
	})
	return bufio.NewScanner(out)
}

func serveInGo(t *testing.T, sites []site) (ports []string) {
	t.Helper()
	for _, site := range sites {
		pair, err := tls.LoadX509KeyPair(site.chain, site.key)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
				go func() {
					defer conn.Close()
					_, _ = io.Copy(io.Discard, conn) // with the handshake; a client may refuse
				}()
			}
		}()
		ports = append(ports, portOf(listener.Addr()))
	}
	return ports
}

func portOf(address net.Addr) string { return fmt.Sprint(address.(*net.TCPAddr).Port) }

func serveInOpenSSL(t *testing.T, sites []site) (ports []string) {
	t.Helper()
	for _, site := range sites {
		out := start(t, nil, nil, "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", site.chain, "-cert_chain", site.chain, "-key", site.key, "-www")
		port := ""
		for port == "" && out.Scan() { // the first lines are other ones
			_, port, _ = strings.Cut(out.Text(), "ACCEPT 127.0.0.1:")
		}
		go drain(out)
		ports = append(ports, port)
	}
	return ports
}

func drain(out *bufio.Scanner) {
	for out.Scan() {
	}
}

func serveInJava(t *testing.T, sites []site) (ports []string) {
	t.Helper()
	args := []string{"testdata/Handshake.java", "serve"}
	for _, site := range sites {
		args = append(args, site.store)
	}
	out := start(t, nil, nil, "java", args...)
	for range sites {
		out.Scan()
		ports = append(ports, out.Text())
	}
	return ports
}

// serveInNginx gives nginx sockets that listen already, so no port is lost and connections wait until nginx is ready.
func serveInNginx(t *testing.T, sites []site) (ports []string) {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf("daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n", dir)
	for _, directive := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += fmt.Sprintf("%s_temp_path %s/%[1]s;\n", directive, dir)
	}
	var sockets []*os.File
	inherited := "NGINX="
	for i, site := range sites {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		socket, err := listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		ports, sockets = append(ports, portOf(listener.Addr())), append(sockets, socket)
		inherited += fmt.Sprintf("%d;", 3+i) // after the three standard files
		config += fmt.Sprintf("server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; return 204; }\n", listener.Addr(), site.chain, site.key)
	}
	file := filepath.Join(dir, "nginx.conf")
	writeFile(t, file, []byte(config+"}\n"))
	start(t, sockets, []string{inherited}, nginx(), "-p", dir, "-e", "stderr", "-c", file)
	return ports
}

// nginx returns the program. On Debian it is in a directory that users do not have in PATH.
func nginx() string {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	return "/usr/sbin/nginx"
}

// connectEach calls connect for each target. An error is a refusal.
func connectEach(targets []target, connect func(target) error) (results []string) {
	for _, target := range targets {
		result := "ok"
		if err := connect(target); err != nil {
			result = err.Error()
		}
		results = append(results, result)
	}
	return results
}

func connectInGo(t *testing.T, ca string, targets []target) []string {
	t.Helper()
	roots := x509.NewCertPool()
	content, err := os.ReadFile(ca)
	if err != nil || !roots.AppendCertsFromPEM(content) {
		t.Fatal(err)
	}
	return connectEach(targets, func(to target) error {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+to.port, &tls.Config{RootCAs: roots, ServerName: to.name})
		if err == nil {
			conn.Close()
		}
		return err
	})
}

func connectInOpenSSL(t *testing.T, ca string, targets []target) []string {
	t.Helper()
	return connectEach(targets, func(to target) error {
		return connectBy(t, "openssl", "s_client", "-connect", "127.0.0.1:"+to.port, "-servername", to.name, "-verify_hostname", to.name,
			"-verify_return_error", "-x509_strict", "-CAfile", ca)
	})
}

func connectInGnuTLS(t *testing.T, ca string, targets []target) []string {
	t.Helper()
	return connectEach(targets, func(to target) error {
		return connectBy(t, "gnutls-cli", "--x509cafile", ca, "--sni-hostname", to.name, "--verify-hostname", to.name, "--port", to.port, "127.0.0.1")
	})
}

// connectBy runs a program that connects and ends with its empty input.
func connectBy(t *testing.T, name string, args ...string) error {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func connectInJava(t *testing.T, ca string, targets []target) []string {
	t.Helper()
	args := []string{"testdata/Handshake.java", "connect", ca}
	for _, to := range targets {
		args = append(args, to.name, to.port)
	}
	cmd := exec.CommandContext(t.Context(), "java", args...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// PostgreSQL serves with each leaf, and psql connects with sslmode=verify-full. With another name psql refuses. PostgreSQL takes
// the role from a certificate whose common name is no host, with the settings on the page about CSRs.
func TestHandshake_PostgreSQL(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	dir := t.TempDir()
	sites, ca := issueSites(t, s, dir)
	role := issueRole(t, s, dir)
	args := []string{"bash", "-c", connectPostgres, "bash", ca, wrongName, role.name, role.chain, role.key}
	for _, site := range sites {
		args = append(args, site.name, site.chain, site.key)
	}
	cmd := exec.CommandContext(t.Context(), "../../scripts/with-postgres", args...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CERTCTL_TEST_POSTGRES_URL=") { // a PostgreSQL of its own
			cmd.Env = append(cmd.Env, variable)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "connected with TLSv1.") != len(sites) || strings.Count(string(out), "logged in as app_rw\n") != len(sites) {
		t.Errorf("%v\n%s", err, out)
	}
}

// issueRole issues a certificate for a role of PostgreSQL, under the profile of the page.
func issueRole(t *testing.T, s *servertest.Server, dir string) site {
	t.Helper()
	profile := api.DefaultProfileSpec()
	profile.Name, profile.AllowedEKUs, profile.AllowedCommonNames = "roles", []string{"clientAuth"}, []string{"app_*"}
	p, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: profile})
	if err != nil {
		t.Fatal(err)
	}
	key := newP256(t)
	spec := api.DefaultCertificateSpec()
	spec.ProfileID, spec.CommonName, spec.CSRPEM = p.ID, "app_rw", newCSR(t, key)
	return writeSite(t, filepath.Join(dir, "role"), spec.CommonName, key, issueLeaf(t, s, spec))
}

// connectPostgres turns TLS on in PostgreSQL and connects to it. A reload takes effect after a moment.
const connectPostgres = `
set -euo pipefail
export LC_ALL=C
ca=$1 wrong=$2 role=$3 role_chain=$4 role_key=$5
shift 5
plain=$CERTCTL_TEST_POSTGRES_URL
url=${plain/sslmode=disable/sslmode=verify-full}"&sslrootcert=$ca&hostaddr=127.0.0.1"
data=$(psql "$plain" -Atc 'SHOW data_directory')
port=${plain##*127.0.0.1:}
login="hostaddr=127.0.0.1 port=${port%%/*} dbname=postgres user=$role sslmode=verify-full sslrootcert=$ca"
owner=$(stat -c %U "$data")
install -m 600 -o "$owner" "$ca" "$data/ca.pem"
sed -i "1i hostssl all $role all cert" "$data/pg_hba.conf"
psql -q "$plain" -c "CREATE ROLE $role LOGIN" -c "ALTER SYSTEM SET ssl_ca_file = 'ca.pem'"
while (($# > 0)); do
	name=$1 chain=$2 key=$3
	shift 3
	for file in "$chain" "$key"; do install -m 600 -o "$owner" "$file" "$data"; done
	psql -q "$plain" -c "ALTER SYSTEM SET ssl_cert_file = '${chain##*/}'" -c "ALTER SYSTEM SET ssl_key_file = '${key##*/}'" \
		-c 'ALTER SYSTEM SET ssl = on' -c 'SELECT pg_reload_conf()' -o /dev/null
	for try in {600..0}; do
		psql "${url/@127.0.0.1:/@$name:}" -Atc "SELECT 'connected with ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()" && break
		sleep 0.1
	done
	psql "host=$name $login sslcert=$role_chain sslkey=$role_key" -Atc "SELECT 'logged in as ' || current_user"
	if refusal=$(psql "host=$name $login sslcert=none" -c 'SELECT 1' 2>&1); then exit 1; fi
	[[ $refusal == *"requires a valid client certificate"* ]]
	if refusal=$(psql "${url/@127.0.0.1:/@$wrong:}" -c 'SELECT 1' 2>&1); then exit 1; fi
	[[ $refusal == *"does not match host name \"$wrong\""* ]]
done
`
