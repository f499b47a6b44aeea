package rest_test

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const proxiesPage = "../../../docs/server/proxies.md"

// Behind each proxy of the page, configured as the page shows, the calls of the README work, certctl refuses what is too long
// with its own problem, and the log has the client's address, whatever the client claims.
func TestPages_Proxies_HaveConfigurationsThatWork(t *testing.T) {
	t.Parallel()
	for language, p := range map[string]proxy{
		"nginx":     {"nginx", configureNginx, []string{"-e", "stderr", "-c"}},
		"caddyfile": {"caddy", configureCaddy, []string{"run", "--adapter", "caddyfile", "--config"}},
		"haproxy":   {"haproxy", nil, []string{"-db", "-f"}},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			log := &servertest.LogBuffer{}
			s := servertest.New(t, servertest.TrustedProxies("127.0.0.1/32"), servertest.Log(log))
			address, curl := p.start(t, s, language)
			checkPlaybook(t, s, "URL=https://"+address, "CURL_HOME="+curl)
			const claim = `curl -s -o big -w '%{http_code} %{content_type}\n' -H 'X-Forwarded-For: 203.0.113.9' -H 'X-Request-ID: through' \
				-H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' --data-binary @body "$URL/api/v1/profiles"`
			got := runShellWith(t, s, []string{"head -c 1048577 /dev/zero > body", claim}, "URL=https://"+address, "CURL_HOME="+curl)
			if got[1] != "413 application/problem+json" {
				t.Errorf("a body of more than 1 MiB gets %s", got[1])
			}
			if line := findLine(t, log, "request", "through"); line["address"] != "127.0.0.2" {
				t.Errorf("the address of the client is %v", line["address"])
			}
		})
	}
}

// proxy is a program, what a test adds to its configuration, and its arguments before the file.
type proxy struct {
	program   string
	configure func(dir, config string) string
	args      []string
}

func configureNginx(dir, config string) string {
	before := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n", dir)
	if os.Geteuid() == 0 { // its workers would be another user, who cannot write the directory
		before = "user root; " + before
	}
	for _, directive := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		before += fmt.Sprintf("%s_temp_path %s/%[1]s;\n", directive, dir)
	}
	return before + config + "}\n"
}

func configureCaddy(_, config string) string {
	return "{\n admin off\n auto_https off\n}\n" + strings.ReplaceAll(config, "https://certctl.example.com", "https://127.0.0.1")
}

// start runs the proxy with the configuration of the page until the test ends. It returns the address, and a directory with the
// settings of curl: its own address, and the certificate that it trusts.
func (p proxy) start(t *testing.T, s *servertest.Server, language string) (address, curlHome string) {
	t.Helper()
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(readText(t, proxiesPage))
	target, err := url.Parse(s.URL)
	if block == nil || err != nil {
		t.Fatalf("the page has no configuration: %v", err)
	}
	dir := t.TempDir()
	makeCertificate := exec.CommandContext(t.Context(), "bash", "-euc", `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj /CN=proxy -addext subjectAltName=IP:127.0.0.1 -keyout certctl-key.pem -out certctl.pem && cat certctl.pem certctl-key.pem > certctl-all.pem`)
	makeCertificate.Dir = dir
	if out, err := makeCertificate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	curlrc := fmt.Sprintf("cacert = %s/certctl.pem\ninterface = 127.0.0.2\n", dir)
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 { // another process may take the port first
		address = findFreeAddress(t)
		_, port, _ := net.SplitHostPort(address)
		config := strings.NewReplacer("127.0.0.1:8080", target.Host, "/etc/ssl/", dir+"/", "listen 443 ssl", "listen "+address+" ssl",
			"bind :443", "bind "+address, "example.com:443", "example.com:"+port).Replace(block[1])
		if p.configure != nil {
			config = p.configure(dir, config)
		}
		if p.run(t, dir, config, address) {
			return address, dir
		}
	}
	t.Fatalf("%s does not listen", p.program)
	return "", ""
}

// run starts the program. It reports whether the program listens.
func (p proxy) run(t *testing.T, dir, config, address string) bool {
	t.Helper()
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(servertest.FindInSbin(t, p.program), append(p.args, file)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // nginx would leave its workers behind
		<-ended
	})
	listens := false
	servertest.WaitUntil(t, func() error {
		select {
		case <-ended:
			t.Logf("%s ended: %s", p.program, log.String())
			return nil
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		listens = true
		return conn.Close()
	})
	return listens
}

func findFreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
