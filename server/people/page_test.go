package people_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const commandLinePage = "../../docs/server/command-line.md"

// session is a block of the page: who runs which command, and the output.
var session = regexp.MustCompile("(?s)```console\n(\\w+)\\$ ([^\n]*)\n(.*?)```\n")

// Every session of the page runs as written, in a terminal of 80 columns, and prints what the page shows. bob answers yes.
func TestPage_CommandLine_ShowsWhatItsSessionsPrint(t *testing.T) {
	t.Parallel()
	stored, err := os.ReadFile(commandLinePage)
	if err != nil {
		t.Fatal(err)
	}
	s := servertest.New(t, hoursAgo())
	tell(t, s)
	names := newPseudonyms(s)
	bob, alice := newUser(t), newUser(t)
	alice.runWith(t, s.Key(t, "alice"), "login", "--endpoint", s.URL).want(t, 0)
	users := map[string]user{"bob": bob.with("NO_COLOR=1"), "alice": alice.with("NO_COLOR=1")}
	generated := session.ReplaceAllStringFunc(string(stored), func(block string) string {
		parts := session.FindStringSubmatch(block)
		who, line := parts[1], parts[2]
		output := runLine(t, s, users[who], who, names.reveal(line))
		return fmt.Sprintf("```console\n%s$ %s\n%s```\n", who, line, names.hide(output))
	})
	if *update {
		if err := os.WriteFile(commandLinePage, []byte(generated), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if generated != string(stored) {
		t.Errorf("%s does not show what its sessions print: run make generate\n%s", commandLinePage, generated)
	}
}

// runLine runs a line in a terminal, answers its questions, and returns what the terminal shows.
func runLine(t *testing.T, s *servertest.Server, u user, who, line string) string {
	t.Helper()
	waitForSigners(t, s)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bash := u.with("TEST_PROGRAM="+self).program(t, "bash", "-c", `certctl() { CERTCTL_RUN_MAIN=1 "$TEST_PROGRAM" "$@"; }; `+line)
	x := startIn(t, 80, bash)
	switch {
	case strings.Contains(line, " login "):
		x.waitFor("API key for")
		x.press(s.Key(t, who) + "\n")
	case strings.Contains(line, " reject "):
		x.waitFor("(Ctrl-C to stop): ")
		x.press("Is wwvv a typing error? Ask for the names that you need.\n")
	case strings.Contains(line, " approve "), strings.Contains(line, " renew "):
		x.waitFor("[y/N] ")
		x.press("y\n")
	}
	return x.end().stdout
}

// waitForSigners waits until no job is being signed.
func waitForSigners(t *testing.T, s *servertest.Server) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		open := 0
		s.Query(t, &open, "SELECT count(*) FROM jobs WHERE status IN (?, ?)", api.JobPending, api.JobRunning)
		if open > 0 {
			return fmt.Errorf("%d jobs are not done", open)
		}
		return nil
	})
}

// pseudonyms stand for what differs in each run: ids, hexadecimal digits, the address of the server.
type pseudonyms struct {
	url  string
	real map[string]string // by pseudonym
	fake map[string]string // by id
}

func newPseudonyms(s *servertest.Server) *pseudonyms {
	return &pseudonyms{url: s.URL, real: map[string]string{}, fake: map[string]string{}}
}

const pageURL = "https://certctl.example.com"

// hide replaces what differs. The replacement is as wide.
func (p *pseudonyms) hide(text string) string {
	text = strings.ReplaceAll(text, p.url, pageURL)
	text = randomID.ReplaceAllStringFunc(text, func(id string) string {
		if p.fake[id] == "" {
			prefix, _, _ := strings.Cut(id, "-")
			p.fake[id] = fmt.Sprintf("%s-%s%d", prefix, strings.Repeat("m", 15), len(p.fake)+1)
			p.real[p.fake[id]] = id
		}
		return p.fake[id]
	})
	text = keyID.ReplaceAllString(text, strings.Repeat("m", 16)+" (from")
	return randomHex.ReplaceAllStringFunc(text, func(hex string) string {
		n := -1
		return hexDigit.ReplaceAllStringFunc(hex, func(string) string {
			n++
			return string("0123456789abcdef"[n%16])
		})
	})
}

// reveal is the reverse of hide for a line of the page.
func (p *pseudonyms) reveal(line string) string {
	line = strings.ReplaceAll(line, pageURL, p.url)
	for fake, id := range p.real {
		line = strings.ReplaceAll(line, fake, id)
	}
	return line
}
