package commands

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The commands run in this order. Each must print the text, and store the names.
func TestUngatedNames_PrintsAndStoresTheList(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir := t.TempDir()
		const all = "Any name may be signed without approval, under a profile that is not gated.\n"
		migrate(t, dir, env)
		const some = "dns    *.dev.example.com\ndns    **.test.example.com\nip     10.0.0.0/8\nuri    spiffe://dev.example.com/a,b/*\nemail  dev.example.com\neku    serverAuth\neku    clientAuth\n"
		for _, c := range []struct {
			args string
			ok   bool
			text string // on standard output, or of a failure on standard error
			show string
		}{
			{"show", true, all, all},
			{"set", false, "or --none to allow no name", all},
			{"set --yes", false, "or --none to allow no name", all},
			{"set --none --dns a.example.com", false, "leave the lists out", all},
			{"set --dns UPPER.example.com --ip 10.0.0.1/8 --eku anyExtendedKeyUsage", false, `--dns: "UPPER.example.com" has upper-case letters; write "upper.example.com"; --ip: "10.0.0.1/8" has bits set after its prefix; write "10.0.0.0/8"; --eku: anyExtendedKeyUsage is refused`, all},
			{"set --dns a.example.com,b.example.com", false, `"a.example.com,b.example.com"`, all},
			{"set --dns a.example.com", true, "", "dns  a.example.com\neku  serverAuth\n"},
			{
				"set --dns *.dev.example.com --dns **.test.example.com --ip 10.0.0.0/8 --uri spiffe://dev.example.com/a,b/* --email dev.example.com --eku serverAuth --eku clientAuth",
				true, "", some,
			},
			{"allow-all", false, "have any name signed alone, give --yes", some},
			{"set --none", true, "", "No name may be signed without approval.\n"},
			{"allow-all --yes", true, "", all},
			{"allow-all --yes", true, "", all},
		} {
			got := runCertctl(t, dir, env, append([]string{"ungated-names"}, strings.Fields(c.args)...)...)
			output := got.stdout
			if !c.ok {
				output = got.stderr
			}
			if got.failed == c.ok || !strings.Contains(output, c.text) {
				t.Errorf("%s: failed %t\n%s%s", c.args, got.failed, got.stdout, got.stderr)
			}
			if show := runCertctl(t, dir, env, "ungated-names", "show"); show.failed || show.stdout != c.show {
				t.Errorf("%s: show prints\n%s%s", c.args, show.stdout, show.stderr)
			}
		}
		// The audit trail has each change with before and after, and no command that changed nothing.
		changes := listChanges(t, dir, env)
		if len(changes) != 4 {
			t.Fatalf("%d changes: %v", len(changes), changes)
		}
		first := changes[0].Details
		for _, words := range []string{`"before":{"allow_all":true`, `"after":{"allow_all":false,"allowed_dns_names":["a.example.com"]`} {
			if changes[0].Actor != "system-cli" || !strings.Contains(string(first), words) {
				t.Errorf("%s: %s", changes[0].Actor, first)
			}
		}
	})
}

// The command prints the effects of a list, and changes nothing without an answer.
func TestUngatedNames_WarnsAndAsks(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir := t.TempDir()
		migrate(t, dir, env)
		runCertctl(t, dir, env, "principal", "create", "olga", "--kind", "human", "--role", "operator")
		key := strings.TrimSpace(runCertctl(t, dir, env, "key", "create", "olga").stdout)
		server := startServer(t, dir, env...)
		createProfiles(t, server.newClient(t, key))
		if value := readGauge(t, server, "certctl_ungated_names_unrestricted"); value != "1" {
			t.Errorf("the gauge is %q", value)
		}
		server.stop()
		if !strings.Contains(server.log.String(), `"WARN","msg":"any name may be signed without approval`) {
			t.Errorf("no warning at the start:\n%s", server.log)
		}

		const overlap = "These gated profiles allow names that could also be signed without approval:\n  p-prod (Prod): *.dev.example.com overlaps **.example.com\n"
		const blocked = "These certificates could not be renewed, because their profiles are not gated:\n" +
			`  mc-open (p-open): the DNS name "www.example.org" needs approval: it is not among the ungated names` + "\n"
		set := func(args ...string) result {
			return runCertctl(t, dir, env, append([]string{"ungated-names", "set"}, args...)...)
		}
		show := func() string { return runCertctl(t, dir, env, "ungated-names", "show").stdout }
		if got := set("--dns", "*.dev.example.com"); !got.failed || got.stdout != overlap+blocked || !strings.Contains(got.stderr, "give --yes") {
			t.Errorf("%+v", got)
		}
		if got := set("--dns", "*.example.net"); !got.failed || got.stdout != blocked {
			t.Errorf("%+v", got)
		}
		if got := show(); !strings.HasPrefix(got, "Any name") {
			t.Errorf("refused, and changed: %s", got)
		}
		if got := set("--dns", "*.example.org", "--dns", "other.example.net"); got.failed || got.stdout != "" {
			t.Errorf("nothing to warn of: %+v", got)
		}
		if got := set("--dns", "*.dev.example.com", "--yes"); got.failed || got.stdout != overlap+blocked || show() != "dns  *.dev.example.com\neku  serverAuth\n" {
			t.Errorf("%+v %s", got, show())
		}
		server = startServer(t, dir, env...)
		if value := readGauge(t, server, "certctl_ungated_names_unrestricted"); value != "0" {
			t.Errorf("the gauge is %q", value)
		}
		server.stop()
		if strings.Contains(server.log.String(), "without approval") {
			t.Errorf("a warning without a reason:\n%s", server.log)
		}
	})
}

// createProfiles makes a gated profile, and a live and an archived certificate under ungated profiles.
func createProfiles(t *testing.T, olga *client.Client) {
	t.Helper()
	for _, p := range []struct {
		id, name string
		gated    bool
		dns      string
	}{
		{"p-prod", "Prod", true, "**.example.com"}, {"p-gated", "Gated", true, "www.gated.example"}, {"p-open", "Open", false, "**"},
	} {
		spec := api.DefaultProfileSpec()
		spec.Name, spec.RequiresApproval, spec.AllowedDNSNames = p.name, p.gated, []string{p.dns}
		if _, err := olga.CreateProfile(t.Context(), api.CreateProfile{ID: p.id, ProfileSpec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	for id, c := range map[string]struct{ profile, name string }{
		"mc-open": {"p-open", "www.example.org"}, "mc-archived": {"p-open", "www.example.edu"}, "mc-gated": {"p-prod", "www.example.com"},
	} {
		spec := api.DefaultCertificateSpec()
		spec.SANs, spec.ProfileID, spec.CSRPEM = []string{c.name}, c.profile, servertest.CSR(t)
		if _, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{ID: id, CertificateSpec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	if err := olga.DeleteCertificate(t.Context(), "mc-archived"); err != nil {
		t.Fatal(err)
	}
}

// On a terminal, every answer but y or yes means no.
func TestConfirm_NeedsYesOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, isYes := range map[string]bool{"y\n": true, "Y\n": true, "yes\n": true, "y": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
		if err := confirm("warning\n", false, strings.NewReader(answer), true); (err == nil) != isYes {
			t.Errorf("%q: %v", answer, err)
		}
	}
	if err := confirm("", false, strings.NewReader(""), false); err != nil {
		t.Errorf("nothing to ask: %v", err)
	}
	if err := confirm("warning\n", false, strings.NewReader("y\n"), false); err == nil {
		t.Error("an answer that no person gave on a terminal counts")
	}
}

// runOnEach runs a test with the environment of an empty database of each kind.
func runOnEach(t *testing.T, test func(t *testing.T, env []string)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, nil)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, append(newCA(t), "CERTCTL_DATABASE_URL="+newRoles(t).ownerURL))
	})
}

// listChanges returns the changes of the list in the audit trail, oldest first.
func listChanges(t *testing.T, dir string, env []string) []api.AuditEvent {
	t.Helper()
	runCertctl(t, dir, env, "principal", "create", "audrey", "--kind", "human", "--role", "auditor")
	server := startServer(t, dir, env...)
	audrey := server.newClient(t, strings.TrimSpace(runCertctl(t, dir, env, "key", "create", "audrey").stdout))
	var changes []api.AuditEvent
	for e, err := range audrey.ListAuditEvents(t.Context(), client.ListAuditEventsOptions{Action: "ungated_names_changed"}) {
		if err != nil {
			t.Fatal(err)
		}
		changes = append([]api.AuditEvent{e}, changes...)
	}
	return changes
}

// readGauge returns the value of a metric.
func readGauge(t *testing.T, s *process, name string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/metrics", s.metrics), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return value
		}
	}
	return ""
}
