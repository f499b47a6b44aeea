package rest_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const restorePage = "../../../docs/server/restore.md"

// Every example of the page about backups runs as written and prints what the page shows. The server is a process that the
// function systemctl starts and stops.
func TestPages_Restore_ShowsWhatItsExamplesPrint(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			checkRestorePage(t, database)
		})
	}
}

func checkRestorePage(t *testing.T, database string) {
	dir := t.TempDir()
	env := newProcessEnv(t, dir)
	if database == "postgres" {
		env["CERTCTL_DATABASE_URL"], env["RESTORED_DATABASE_URL"] = servertest.CreateEmptyDatabase(t), servertest.CreateEmptyDatabase(t)
		env["CERTCTL_CA_CERT_FILE"], env["CERTCTL_CA_KEY_FILE"] = "ca.pem", "ca-key.pem"
	} else {
		servertest.NeedSQLite(t)
	}
	stored := readText(t, restorePage)
	p := readPage(stored)
	var commands []string
	var run []int
	for i, command := range p.commands() {
		if heading := p.headingOf(p.examples[i]); strings.HasPrefix(heading, "### On ") && !strings.Contains(strings.ToLower(heading), database) {
			p.parts[p.examples[i]].output = findOutput(stored, command)
			continue
		}
		if strings.Contains(command, "systemctl stop") {
			command = sinceTheBackup + command
		}
		commands, run = append(commands, command), append(run, i)
	}
	n := normalizer{epoch: time.Now(), numbers: map[string]string{}, counts: map[string]int{}}
	for i, output := range runProcessShell(t, dir, env, beforeTheBackup, commands) {
		output = strings.ReplaceAll(output, dir, "/var/lib/certctl")
		output = regexp.MustCompile(`\d+ bytes, schema version \d+`).ReplaceAllString(output, "884736 bytes, schema version 5")
		p.parts[p.examples[run[i]]].output = n.normalize(output)
	}
	p.checkStored(t, restorePage, stored, *update && database == "sqlite")
}

// beforeTheBackup makes people, keys, a gated profile, and a request that waits. waiting has its approval.
const beforeTheBackup = `
systemctl() {
  case $1 in
  start)
    CERTCTL_RUN_MAIN=1 "$TEST_PROGRAM" serve 2> server.log & echo $! > server.pid
    until curl -sf "$URL/readyz" > /dev/null; do kill -0 "$(cat server.pid)" || { cat server.log >&2; exit 1; }; sleep 0.05; done ;;
  stop) kill "$(cat server.pid)"; wait "$(cat server.pid)" ;;
  esac
}
trap 'kill "$(cat server.pid)"; wait' EXIT
as() { curl -sf -H "Authorization: Bearer $1" -H "Content-Type: application/json" "${@:2}"; }
certctl ca init > ca.log
certctl migrate
certctl principal create alice --kind human --role operator --role approver
certctl principal create bob --kind human --role approver
certctl principal create carol --kind human --role approver
certctl principal create audrey --kind human --role auditor
API_KEY=$(certctl key create alice) LEAKED_KEY=$(certctl key create alice) CAROLS_KEY=$(certctl key create carol)
APPROVER_API_KEY=$(certctl key create bob) AUDITOR_API_KEY=$(certctl key create audrey)
: > audit.log.cursor
systemctl start certctl
as "$API_KEY" "$URL/api/v1/profiles" -o made -d '{"id": "p-shop", "name": "Shop", "requires_approval": true, "allowed_dns_names": ["**.shop.example.com"]}'
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout shop.key -subj / -out shop.csr 2>/dev/null
jq -n --rawfile csr shop.csr '{id: "mc-shop", profile_id: "p-shop", sans: ["www.shop.example.com"], csr_pem: $csr}' |
  as "$API_KEY" "$URL/api/v1/certificates?issue=true" -o made -d @-
waiting=$(as "$API_KEY" "$URL/api/v1/approvals?state=pending" | jq -r '.[].id')
`

// sinceTheBackup decides, revokes and disables. The audit log has it all before the server stops.
const sinceTheBackup = `
as "$CAROLS_KEY" -X POST "$URL/api/v1/approvals/$waiting/approve" -o made
until as "$API_KEY" "$URL/api/v1/certificates/mc-shop/chain" -o deployed.pem; do sleep 0.05; done 2>/dev/null
certctl key revoke "$LEAKED_KEY"
certctl principal disable carol > /dev/null
`

// newProcessEnv is the environment of a server that runs as a process of its own, on a port that is free.
func newProcessEnv(t *testing.T, dir string) map[string]string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	return map[string]string{
		"TEST_PROGRAM": program, "URL": "http://" + address, "CERTCTL_LISTEN": address, "CERTCTL_METRICS_LISTEN": "",
		"CERTCTL_AUDIT_LOG": filepath.Join(dir, "audit.log"), "CERTCTL_LOG_LEVEL": "warn",
	}
}

// runProcessShell runs commands after a preparation in one bash, and returns the output of each.
func runProcessShell(t *testing.T, dir string, env map[string]string, preparation string, commands []string) []string {
	t.Helper()
	var variables []string
	for name, value := range env {
		variables = append(variables, fmt.Sprintf("%s=%s", name, value))
	}
	return runBash(t, dir, variables, append([]string{preparation}, commands...))[1:]
}

// findOutput returns the output that a page shows for an example; none if it shows none.
func findOutput(text, command string) string {
	_, after, _ := strings.Cut(text, "```bash\n"+command+"```\n")
	output, isText := strings.CutPrefix(after, "\n```text\n")
	if !isText {
		return ""
	}
	output, _, _ = strings.Cut(output, "\n```")
	return output
}

// headingOf returns the line of the last heading before a part.
func (p *page) headingOf(part int) string {
	heading := ""
	for _, before := range p.parts[:part] {
		if !strings.Contains(before.text, "\n#") {
			continue
		}
		for line := range strings.Lines(before.text) {
			if strings.HasPrefix(line, "#") {
				heading = line
			}
		}
	}
	return strings.TrimSpace(heading)
}
