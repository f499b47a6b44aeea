package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	_ "modernc.org/sqlite"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

func metrics(ctx context.Context, s *stage) error {
	values, err := s.scrape(ctx, "certctl_approval_decisions_total", "certctl_approval_pending_age_seconds_count",
		"certctl_approvals_pending", "certctl_approval_oldest_pending_seconds")
	if err != nil {
		return err
	}
	want := map[string]string{
		s.ofProfile("certctl_approval_decisions_total", `outcome="approved"`): "2",
		s.ofProfile("certctl_approval_decisions_total", `outcome="rejected"`): "1",
		"certctl_approval_pending_age_seconds_count":                          "3",
		"certctl_approval_oldest_pending_seconds":                             "0",
	}
	if err := expect(maps.Equal(values, want), fmt.Sprint(want)); err != nil {
		return err
	}
	s.say("no line of certctl_approvals_pending: no request is pending")
	return nil
}

// scrape reads the metrics, and shows those with these names.
func (s *stage) scrape(ctx context.Context, names ...string) (map[string]string, error) {
	pattern := "^" + names[0]
	if len(names) > 1 {
		pattern = "^(" + strings.Join(names, "|") + ")"
	}
	s.command("curl -s $METRICS_URL/metrics | grep -E '%s'", pattern)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metricsURL+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if err := expect(resp.StatusCode == http.StatusOK, "200 from the metrics"); err != nil {
		return nil, err
	}
	values := map[string]string{}
	wanted := regexp.MustCompile(pattern)
	for line := range strings.Lines(string(body)) {
		if wanted.MatchString(line) {
			s.say("%s", line)
			series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			values[series] = value
		}
	}
	return values, nil
}

func auditTrail(ctx context.Context, s *stage) error {
	events, err := client.Collect(s.as("audrey").ListAuditEvents(ctx, client.ListAuditEventsOptions{Page: client.Page{Limit: 100}}))
	if err != nil {
		return err
	}
	slices.Reverse(events) // the oldest first
	rows := make([]string, len(events))
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tACTOR\tTYPE\tACTION\tRESOURCE\tNOTE")
	for i, e := range events {
		note, err := note(e)
		if err != nil {
			return err
		}
		rows[i] = fmt.Sprintf("%s %s %s %s", e.Actor, e.ActorType, e.Action, e.ResourceID)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s %s\t%s\n",
			e.OccurredAt.Format("15:04:05.000"), e.Actor, e.ActorType, e.Action, e.ResourceType, e.ResourceID, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	s.say("%s", text.String())
	widened := "terraform Service approval_requested " + s.editID
	return errors.Join(
		expectInOrder(rows, s.story()...),
		expectInOrder(rows, widened, "bob User approval_approved "+s.editID),
		expectInOrder(rows, widened, "bob User profile_updated "+s.profileID),
	)
}

// story lists rows that the audit trail must have: actor, type of the actor, action, resource.
func (s *stage) story() []string {
	return []string{
		"system-cli System principal_created audrey",
		"system-cli System ungated_names_changed ungated-names",
		"terraform Service profile_created " + s.profileID,
		"alice User certificate_created " + s.certificateID,
		"alice User approval_requested " + s.approvalID,
		"alice User decision_denied " + s.approvalID,
		"terraform Service decision_denied " + s.approvalID,
		"bob User approval_approved " + s.approvalID,
		"system-issuer System issuance_admitted " + s.jobID,
		"system-issuer System certificate_issued " + s.certificateID,
		"terraform Service approval_requested " + s.rejectedID,
		"bob User approval_rejected " + s.rejectedID,
		"terraform Service approval_requested " + s.editID,
	}
}

// note is the note of a person, or the code of a refusal.
func note(e api.AuditEvent) (string, error) {
	var details struct{ Note, Reason, Code string }
	err := json.Unmarshal(e.Details, &details)
	return cmp.Or(details.Note, details.Reason, details.Code), err
}

// expectInOrder returns an error unless all wanted rows exist, in that order.
func expectInOrder(rows []string, wanted ...string) error {
	for _, w := range wanted {
		i := slices.Index(rows, w)
		if i < 0 {
			return fmt.Errorf("expected: %q in the audit trail, after what comes before it", w)
		}
		rows = rows[i+1:]
	}
	return nil
}

func productionCheck(ctx context.Context, s *stage) error {
	db, err := sql.Open("sqlite", "file:"+s.databaseFile()+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	count := func(query string) (n int, err error) {
		s.command("sqlite3 certctl.db \"%s\"", query)
		if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
			return 0, err
		}
		s.say("%d", n)
		return n, nil
	}
	bypassed, err := count(`SELECT count(*) FROM audit_events WHERE actor = 'system-bypass'`)
	if err != nil {
		return err
	}
	denied, err := count(`SELECT count(*) FROM audit_events WHERE action = 'decision_denied'`)
	if err != nil {
		return err
	}

	var broken []string
	for _, invariant := range servertest.Invariants {
		rows, err := db.QueryContext(ctx, invariant.Query)
		if err != nil {
			return fmt.Errorf("%s: %w", invariant.Name, err)
		}
		if rows.Next() {
			broken = append(broken, invariant.Name)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	s.say("%d of %d invariants of the database hold", len(servertest.Invariants)-len(broken), len(servertest.Invariants))

	leaks, err := s.leaks()
	if err != nil {
		return err
	}
	s.say("%d files of the server and of Terraform hold an API key", len(leaks))
	return errors.Join(
		expect(bypassed == 0, "nothing was bypassed"),
		expect(denied == 2, "both refusals are in the audit trail"),
		expect(len(broken) == 0, "no invariant is broken: "+strings.Join(broken, "; ")),
		expect(len(leaks) == 0, "no API key in "+strings.Join(leaks, ", ")),
	)
}

// leaks returns the files that must not contain an API key, and do.
func (s *stage) leaks() (names []string, err error) {
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Dir(path) == s.keyDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if s.hasKey(content) {
			names = append(names, filepath.Base(path))
		}
		return nil
	})
	return names, err
}
