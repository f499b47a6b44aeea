package people_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// hoursAgo starts a server three and a half hours ago. What happens there is "3 h ago", however slow the machine is.
func hoursAgo() servertest.Option {
	return servertest.StartTime(time.Now().Add(-210 * time.Minute))
}

// story has what people read: an issued certificate that waits for a changed renewal, and an edit that waits.
type story struct{ renewal, edit, rejected string }

// tell makes the objects of the story.
func tell(t *testing.T, s *servertest.Server) story {
	t.Helper()
	ctx := t.Context()
	olga, bob, carol, alice := s.Client(t, "olga"), s.Client(t, "bob"), s.Client(t, "carol"), s.Client(t, "alice")
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval, spec.AllowedDNSNames, spec.AllowWildcardNames = "Shop", true, []string{"**.example.com"}, true
	must(t)(olga.CreateProfile(ctx, api.CreateProfile{ID: "p-shop", ProfileSpec: spec}))
	certificate := api.CreateCertificate{ID: "mc-shop", CertificateSpec: api.DefaultCertificateSpec()}
	certificate.ProfileID, certificate.CSRPEM = "p-shop", servertest.CSR(t)
	certificate.SANs = []string{"old.example.com", "www.example.com"}
	must(t)(olga.CreateCertificate(ctx, certificate))
	first := must(t)(olga.RenewCertificate(ctx, "mc-shop", api.Renew{})).(api.Job)
	must(t)(bob.ApproveApproval(ctx, *first.ApprovalID, api.Decision{}))
	s.WaitUntilFinalAsVera(t, first.ID)

	other := certificate
	other.ID, other.SANs = "mc-other", []string{"pay.example.com"}
	must(t)(olga.CreateCertificate(ctx, other))
	certificate.SANs = []string{"www.example.com", "wwvv.example.com", "pay.example.com", "*.dev.example.com"}
	must(t)(olga.ReplaceCertificate(ctx, "mc-shop", certificate.CertificateSpec))
	rejected := must(t)(olga.RenewCertificate(ctx, "mc-shop", api.Renew{})).(api.Job)
	must(t)(carol.RejectApproval(ctx, *rejected.ApprovalID, api.Decision{Note: "Who needs the wildcard?\nAsk me on Monday."}))
	renewal := must(t)(s.Client(t, "terraform").RenewCertificate(ctx, "mc-shop", api.Renew{Reason: "The shop opens on Friday.", AlsoExcluded: []string{"dora"}})).(api.Job)

	spec.RequiresApproval, spec.MaxTTLSeconds, spec.AllowedDNSNames = false, 86400*30, []string{"**.example.com", "**.example.org"}
	spec.Name = "Shop 2"
	must(t)(olga.CreateProfile(ctx, api.CreateProfile{ID: "p-pay", ProfileSpec: func() api.ProfileSpec {
		gated := api.DefaultProfileSpec()
		gated.Name, gated.RequiresApproval, gated.AllowedDNSNames = "Pay", true, []string{"**.example.com"}
		return gated
	}()}))
	var edit story
	if _, err := alice.ReplaceProfile(ctx, "p-pay", spec); err == nil {
		t.Fatal("the edit of a gated profile does not wait")
	}
	for a, err := range s.Client(t, "vera").ListApprovals(ctx, listEdits) {
		if err != nil {
			t.Fatal(err)
		}
		edit.edit = a.ID
	}
	return story{renewal: *renewal.ApprovalID, edit: edit.edit, rejected: *rejected.ApprovalID}
}

// must returns a value, or fails the test.
func must(t *testing.T) func(value any, err error) any {
	t.Helper()
	return func(value any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// Tables and requests look like the golden files, on terminals of three widths and in a pipe. No line is wider than its
// terminal.
func TestShow_LooksLikeTheGoldenFiles(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, hoursAgo())
	story := tell(t, s)
	bob := as(t, s, "bob").with("NO_COLOR=1")
	for name, args := range map[string][]string{
		"approvals-list":     {"approvals", "list"},
		"approvals-list-all": {"approvals", "list", "--state", "pending", "--state", "rejected", "--state", "approved"},
		"approvals-show":     {"approvals", "show", story.renewal},
		"approvals-edit":     {"approvals", "show", story.edit},
		"approvals-rejected": {"approvals", "show", story.rejected},
		"certificates-list":  {"certificates", "list"},
		"certificates-show":  {"certificates", "show", "mc-shop"},
		"whoami":             {"whoami"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			piped := bob.run(t, args...)
			if piped.code != 0 || piped.stderr != "" {
				t.Fatalf("%d %s", piped.code, piped.stderr)
			}
			checkGolden(t, name+"-pipe", piped.stdout)
			for _, columns := range []int{40, 80, 200} {
				shown := bob.runIn(t, columns, args...)
				checkWidth(t, shown.stdout, columns)
				checkGolden(t, fmt.Sprintf("%s-%d", name, columns), shown.stdout)
			}
		})
	}
}

func checkWidth(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > columns {
			t.Errorf("a line of %d characters in %d columns: %s", n, columns, line)
		}
	}
}

var listEdits = client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{Kind: api.ApprovalProfileEdit}}
