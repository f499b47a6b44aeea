package people_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/people"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// stateOf reads an approval.
func stateOf(t *testing.T, s *servertest.Server, id string) api.Approval {
	t.Helper()
	a, err := s.Client(t, "vera").GetApproval(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A person reads the request and answers yes. Any other answer decides nothing, and neither do an interrupt, a closed
// terminal and a killed process.
func TestApprove_DecidesOnlyAfterYes(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "olga").ApprovalID
		bob := as(t, s, "bob")
		question := "Approve " + id + " as bob? [y/N] "
		for name, leave := range map[string]func(*terminal){
			"n":         func(x *terminal) { x.press("n\n") },
			"enter":     func(x *terminal) { x.press("\n") },
			"yep":       func(x *terminal) { x.press("yep\n") },
			"ctrl-C":    func(x *terminal) { x.press("\x03") },
			"ctrl-D":    func(x *terminal) { x.press("\x04") },
			"y, ctrl-D": func(x *terminal) { x.press("y\x04\x04") },
			"terminate": func(x *terminal) { _ = x.cmd.Process.Signal(syscall.SIGTERM) },
			"kill":      func(x *terminal) { _ = x.cmd.Process.Kill() },
			"hang up":   func(x *terminal) { _ = x.cmd.Process.Signal(syscall.SIGHUP) },
		} {
			x := bob.start(t, 80, "approvals", "approve", id)
			x.waitFor(question)
			leave(x)
			<-x.ended
			if err := x.cmd.Wait(); err == nil {
				t.Errorf("%s: the exit code is 0", name)
			}
			if state := stateOf(t, s, id).State; state != api.ApprovalPending {
				t.Fatalf("%s: the request is %s", name, state)
			}
		}
		x := bob.start(t, 80, "approvals", "approve", id, "--note", "ticket 7")
		x.waitFor(question)
		x.press("y\n")
		x.end().want(t, 0, "I approve 1 name for", "Approved "+id+". The server signs it now")
		if a := stateOf(t, s, id); a.State != api.ApprovalApproved || *a.DecidedBy != "bob" || a.Note != "ticket 7" {
			t.Errorf("the request is %s by %v with the note %q", a.State, a.DecidedBy, a.Note)
		}
	}, servertest.NoWorkers())
}

// What was read is what is decided: a request that ended while the question stands is not approved.
func TestApprove_ARequestThatEndedMeanwhile(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		bob := as(t, s, "bob")
		ask := func() (*terminal, api.Job) {
			job := s.RequestOlgasCertificate(t, "olga")
			x := bob.start(t, 80, "approvals", "approve", *job.ApprovalID)
			x.waitFor("[y/N] ")
			return x, job
		}
		x, job := ask()
		if _, err := s.Client(t, "carol").RejectApproval(t.Context(), *job.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		x.press("y\n")
		x.end().want(t, people.ExitEnded, "rejected", "certctl approvals show "+*job.ApprovalID)

		x, job = ask()
		c, err := s.Client(t, "olga").GetCertificate(t.Context(), job.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		c.SANs = append(c.SANs, "more.example.com")
		if _, err := s.Client(t, "olga").ReplaceCertificate(t.Context(), c.ID, c.CertificateSpec); err != nil {
			t.Fatal(err)
		}
		x.press("y\n")
		x.end().want(t, people.ExitEnded, "subject changed")

		x, job = ask()
		s.Clock.Advance(169 * time.Hour)
		x.press("y\n")
		x.end().want(t, people.ExitEnded, "expired")
		bob.run(t, "approvals", "approve", *job.ApprovalID, "--yes").want(t, people.ExitEnded)
	}, servertest.NoWorkers())
}

// The exit codes of the page, each by a command that ends with it.
func TestExitCodes(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		wrongDigest := "sha256:" + strings.Repeat("0", 64)
		alice, bob, vera, service := as(t, s, "alice"), as(t, s, "bob"), as(t, s, "vera"), as(t, s, "terraform")
		var messages strings.Builder
		for _, c := range []struct {
			user user
			args string
			code int
			text string
		}{
			{bob, "approvals list", 0, id},
			{bob, "approvals list --profile p-none", people.ExitNoMatch, "no request matches"},
			{bob, "approvals list -o json --profile p-none", people.ExitNoMatch, "[]\n"},
			{bob, "approvals list --state nonsense", people.ExitUsage, "--state"},
			{bob, "certificates list --fingerprint nonsense", people.ExitFailed, "?fingerprint_sha256: "},
			{bob, "approvals list --limit -1", people.ExitUsage, "--limit"},
			{bob, "approvals list -o yaml", people.ExitUsage, "--output"},
			{bob, "approvals approve", people.ExitUsage, "<id>"},
			{bob, "approvals approved x", people.ExitUsage, "did you mean"},
			{bob, "nonsense", people.ExitUsage, "nonsense"},
			{bob, "", people.ExitUsage, "expected one of"},
			{bob, "approvals show ar-none", people.ExitNoMatch, "certctl approvals list"},
			{bob, "certificates show mc-none", people.ExitNoMatch, "certctl certificates list"},
			{bob, "certificates list --san none.example.com", people.ExitNoMatch, "no certificate matches"},
			{bob, "certificates list --expires-within 30d", people.ExitNoMatch, "no certificate matches"},
			{bob, "approvals approve " + id, people.ExitUsage, "nothing was decided: there is no terminal to ask on. Give --yes"},
			{bob, "certificates renew mc-none", people.ExitUsage, "nothing was requested: there is no terminal to ask on. Give --yes"},
			{bob, "approvals approve --yes " + id + " --digest " + wrongDigest, people.ExitEnded, "nothing was decided"},
			{bob, "approvals reject " + id + " --digest " + wrongDigest, people.ExitEnded, "digest"},
			{alice, "approvals approve --yes " + id, people.ExitRefused, "two-person integrity"},
			{alice, "approvals reject " + id, people.ExitRefused, "two-person integrity"},
			{vera, "approvals approve --yes " + id, people.ExitRefused, "Ask an administrator for the role approver."},
			{service, "approvals approve --yes " + id, people.ExitRefused, "two-person integrity"},
			{vera, "approvals withdraw " + id, people.ExitRefused, ""},
			{bob.with("CERTCTL_API_KEY=ctl_aaaaaaaaaaaaaaaa_bad"), "approvals list", people.ExitRefused, "Sign in with a valid key"},
			{bob.with("CERTCTL_ENDPOINT=ftp://certctl.example.com"), "approvals list", people.ExitUsage, "https://"},
			{bob.with("CERTCTL_ENDPOINT=http://127.0.0.1:1"), "whoami", people.ExitFailed, "Check the address and the network"},
			{bob, "approvals approve --yes " + id, 0, "Approved"},
			{bob, "approvals approve --yes " + id, people.ExitEnded, "certctl approvals show " + id},
			{bob, "approvals reject " + id, people.ExitEnded, "approved"},
		} {
			got := c.user.run(t, strings.Fields(c.args)...)
			if got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.text) {
				t.Errorf("certctl %s: exit code %d, not %d, with %q\n%s%s", c.args, got.code, c.code, c.text, got.stdout, got.stderr)
			}
			if lines := strings.Count(got.stderr, "\n"); c.code != 0 && !strings.Contains(c.args, "approve --yes") && lines != 1 {
				t.Errorf("certctl %s: standard error has %d lines: %s", c.args, lines, got.stderr)
			}
			if _, message, isError := strings.Cut(got.stderr, "certctl: error: "); isError {
				fmt.Fprintf(&messages, "certctl %s\n%d %s\n", c.args, got.code, message)
			}
		}
		if s.Store.IsSQLite() {
			checkGolden(t, "messages", messages.String())
		}
	}, servertest.NoWorkers())
}

// Somebody who may not decide is told before a question, and is asked nothing.
func TestApprove_AsksNobodyWhoMayNotDecide(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	got := as(t, s, "alice").runIn(t, 80, "approvals", "approve", id)
	got.want(t, people.ExitRefused, "You may not decide", "nothing was decided", "two-person integrity")
	if strings.Contains(got.stdout, "[y/N]") {
		t.Errorf("alice is asked: %s", got.stdout)
	}
}

// A person who rejects on a terminal is asked for a note. The note is kept.
func TestReject_AsksForANote(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "olga").ApprovalID
		bob := as(t, s, "bob")
		x := bob.start(t, 80, "approvals", "reject", id)
		x.waitFor("Note for the requester (Ctrl-C to stop): ")
		x.press("\x03")
		x.end().want(t, people.ExitFailed, "nothing was decided")
		if state := stateOf(t, s, id).State; state != api.ApprovalPending {
			t.Fatalf("the request is %s", state)
		}
		x = bob.start(t, 80, "approvals", "reject", id)
		x.waitFor("Note for the requester (Ctrl-C to stop): ")
		x.press("not this week\n")
		x.end().want(t, 0, "Rejected "+id+". Nothing is signed.")
		if a := stateOf(t, s, id); a.State != api.ApprovalRejected || a.Note != "not this week" {
			t.Errorf("the request is %s with the note %q", a.State, a.Note)
		}
	}, servertest.NoWorkers())
}

func TestWithdraw_EndsTheRequest(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "olga").ApprovalID
		as(t, s, "olga").run(t, "approvals", "withdraw", id, "--note", "a mistake").want(t, 0, "Withdrew "+id+". Nothing is signed.")
		if a := stateOf(t, s, id); a.State != api.ApprovalCancelled || a.Note != "a mistake" {
			t.Errorf("the request is %s with the note %q", a.State, a.Note)
		}
	}, servertest.NoWorkers())
}

// A renewal shows what would be signed and whom it excludes. Nothing is requested before yes, and then exactly that.
func TestRenew_RequestsWhatItShowed(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := s.CreateCertificateAs(t, "bob", s.CreateProfileAsOlga(t, true).ID)
		olga := as(t, s, "olga")
		ask := func(args ...string) *terminal {
			x := olga.start(t, 100, append([]string{"certificates", "renew", c.ID}, args...)...)
			x.waitFor("Request approval to renew " + c.ID + " as olga? [y/N] ")
			return x
		}
		x := ask()
		x.press("\n")
		x.end().want(t, people.ExitFailed, "nothing was requested", c.SANs[0], "every approver but bob, olga")

		x = ask() // and the certificate changes while the question stands
		c.SANs = append(c.SANs, "more.example.com")
		if _, err := s.Client(t, "olga").ReplaceCertificate(t.Context(), c.ID, c.CertificateSpec); err != nil {
			t.Fatal(err)
		}
		x.press("y\n")
		x.end().want(t, people.ExitEnded, "digest")

		csr := filepath.Join(olga.home, "new.csr")
		if err := os.WriteFile(csr, []byte(servertest.CSR(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		x = ask("--stand-for", "bob", "--reason", "for Friday", "--also-exclude", "alice", "--csr", csr)
		x.press("yes\n")
		x.end().want(t, 0, "every approver but alice, olga", "stands for", "It waits for a second person.\n  certctl approvals show ar-")
		stored, err := s.Client(t, "vera").GetCertificate(t.Context(), c.ID)
		if err != nil || stored.ApprovalID == nil {
			t.Fatal(err)
		}
		a := stateOf(t, s, *stored.ApprovalID)
		if a.Reason != "for Friday" || strings.Join(a.StandsFor, " ") != "bob" || strings.Join(a.Excluded, " ") != "alice olga" || strings.Contains(string(a.Subject), "bob") {
			t.Errorf("the request: %+v", a)
		}
		olga.run(t, "certificates", "renew", c.ID, "--yes").want(t, people.ExitFailed, a.ID)
		as(t, s, "bob").run(t, "approvals", "approve", a.ID, "--yes").want(t, 0, "Approved")
	}, servertest.NoWorkers())
}

// JSON is what the server answered, byte for byte, also of several pages.
func TestOutput_JSONIsTheAnswer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	id := *s.RequestOlgasCertificate(t, "olga").ApprovalID
	s.RequestOlgasCertificate(t, "olga")
	bob := as(t, s, "bob")
	compare := func(path string, args ...string) {
		t.Helper()
		got := bob.run(t, append(args, "-o", "json")...)
		if want := get(t, s, "bob", path); got.code != 0 || got.stdout != string(bytes.TrimSpace(want))+"\n" {
			t.Errorf("certctl %v: %d %s\nthe server answers: %s", args, got.code, got.stdout, want)
		}
	}
	compare("/api/v1/me", "whoami")
	compare("/api/v1/approvals/"+id, "approvals", "show", id)
	compare("/api/v1/approvals?state=pending&limit=500", "approvals", "list")
	compare("/api/v1/approvals?state=pending&limit=1", "approvals", "list", "--limit", "1")
	compare("/api/v1/certificates?limit=500", "certificates", "list")

	done := bob.run(t, "approvals", "approve", id, "--yes", "-o", "json")
	var a api.Approval
	if err := json.Unmarshal([]byte(done.stdout), &a); err != nil || a.State != api.ApprovalApproved || a.ID != id {
		t.Errorf("the answer: %v, %s", err, done.stdout)
	}
	if !strings.Contains(done.stderr, "To be signed") {
		t.Errorf("the request is not on standard error: %s", done.stderr)
	}
}

// People's commands need no database and no setting of it. Nothing is made in the directory.
func TestCommands_UseNoDatabase(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	bob := as(t, s, "bob").with("CERTCTL_DATABASE_URL=nonsense", "CERTCTL_LOG_LEVEL=nonsense", "CERTCTL_DATA_DIR=absent", "CERTCTL_DATABASE=typo")
	for _, args := range []string{"whoami", "approvals --help", "completion bash", "version"} {
		if got := bob.run(t, strings.Fields(args)...); got.code != 0 || got.stderr != "" {
			t.Errorf("certctl %s: %d %s", args, got.code, got.stderr)
		}
	}
	if entries, err := os.ReadDir(bob.home); err != nil || len(entries) > 0 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

// A server may lie, or be newer than this program. Nobody is asked about a request whose digest is not that of what is shown.
func TestApprove_TheDigestIsOfWhatIsShown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	id := *s.RequestOlgasCertificate(t, "olga").ApprovalID
	for name, c := range map[string]struct {
		change    func(subject map[string]any)
		newDigest bool
		code      int
		text      string
	}{
		"another name":                  {func(m map[string]any) { m["sans"] = []any{"evil.example.com"} }, false, people.ExitFailed, "is not that of the subject"},
		"another name, and its digest":  {func(m map[string]any) { m["sans"] = []any{"evil.example.com"} }, true, people.ExitEnded, "the digest sent is not the digest"},
		"a field of a newer server":     {func(m map[string]any) { m["policy"] = "any" }, true, people.ExitFailed, "cannot show all of the request"},
		"a subject of another kind":     {func(m map[string]any) { clear(m); m["sans"] = "x" }, true, people.ExitFailed, "read the subject"},
		"no name, and the digest of it": {func(m map[string]any) { delete(m, "sans") }, true, people.ExitFailed, "cannot show all of the request"},
	} {
		url := startProxy(t, s, func(value any) {
			object, ok := value.(map[string]any)
			if !ok || object["subject"] == nil {
				return
			}
			c.change(object["subject"].(map[string]any))
			if c.newDigest {
				_, object["digest"], _ = rules.Canonicalize(object["subject"])
			}
		})
		u := newUser(t).with("CERTCTL_ENDPOINT="+url, "CERTCTL_API_KEY="+s.Key(t, "bob"))
		if got := u.run(t, "approvals", "approve", id, "--yes"); got.code != c.code || !strings.Contains(got.stderr, c.text) {
			t.Errorf("%s: %d %s", name, got.code, got.stderr)
		}
		if state := stateOf(t, s, id).State; state != api.ApprovalPending {
			t.Fatalf("%s: the request is %s", name, state)
		}
	}
}

// If the output cannot be written, the command fails, and nobody is asked about what they have not seen.
func TestOutput_FailsIfItCannotBeWritten(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	s := servertest.New(t, servertest.NoWorkers())
	id := *s.RequestOlgasCertificate(t, "olga").ApprovalID
	bob := as(t, s, "bob")
	for _, args := range []string{"approvals list", "approvals list -o json", "approvals show " + id, "certificates list", "whoami", "approvals approve --yes " + id} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		cmd := bob.command(t, strings.Fields(args)...)
		if cmd.Stdout = full; strings.Contains(args, "approve") {
			cmd.Stderr = full
		}
		if code := exitCode(t, cmd.Run()); code != people.ExitFailed {
			t.Errorf("certctl %s: exit code %d", args, code)
		}
		full.Close()
	}
	if state := stateOf(t, s, id).State; state != api.ApprovalPending {
		t.Errorf("the request is %s", state)
	}
}

// Under a profile without a gate a renewal is signed at once. The chain is PEM.
func TestRenew_SignsAtOnceWithoutAGate(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
		olga := as(t, s, "olga")
		olga.run(t, "certificates", "chain", c.ID).want(t, people.ExitNoMatch, "is not issued yet")
		olga.run(t, "certificates", "renew", c.ID, "--yes").want(t, 0, "decision      none: it is signed at once", "The server signs it now.")
		servertest.WaitUntil(t, func() error {
			if got := olga.run(t, "certificates", "chain", c.ID); !strings.HasPrefix(got.stdout, "-----BEGIN CERTIFICATE-----\n") {
				return fmt.Errorf("the chain: %+v", got)
			}
			return nil
		})
		if got, want := olga.run(t, "certificates", "chain", c.ID).stdout, get(t, s, "olga", "/api/v1/certificates/"+c.ID+"/chain"); got != string(want) {
			t.Errorf("the chain: %s", got)
		}
	})
}
