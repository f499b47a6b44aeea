package commands

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// The command says of each receiver whether it took the message. It fails unless all did, and prints no address.
func TestNotifyTest_SaysWhatEachReceiverDid(t *testing.T) {
	t.Parallel()
	takes := newReceiver(t, http.StatusOK)
	refuses := newReceiver(t, http.StatusForbidden)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const key = "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="
	hook := []string{
		"CERTCTL_EXTERNAL_URL=https://certctl.example.com", "CERTCTL_WEBHOOK_URL=" + takes + "/hunter2",
		"CERTCTL_WEBHOOK_SECRET_FILE=" + write("key", "whsec_"+key),
	}
	chat := func(server string) string {
		return "ntfy://user:hunter2@" + strings.TrimPrefix(server, "http://") + "/hunter2?scheme=http\n"
	}
	for name, test := range map[string]struct {
		env            []string
		stdout, stderr string
	}{
		"all take it": {hook, "webhook-1\tdelivered\n", ""},
		"one refuses": {
			append(hook[:len(hook):len(hook)], "CERTCTL_NOTIFY_URLS_FILE="+write("chats", chat(refuses)+chat(takes))),
			"webhook-1\tdelivered\nntfy-1\tnot delivered: it answered 403 Forbidden\nntfy-2\tdelivered\n",
			"certctl: error: 1 of 3 receivers did not take the message\n",
		},
		"there is none": {nil, "", "certctl: error: there is no receiver: set CERTCTL_WEBHOOK_URL or CERTCTL_NOTIFY_URLS_FILE as the server has it\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runCertctl(t, dir, test.env, "notify", "test")
			if got.failed != (test.stderr != "") || got.stdout != test.stdout || got.stderr != test.stderr {
				t.Errorf("failed %t: %s%s", got.failed, got.stdout, got.stderr)
			}
			for _, hidden := range []string{"hunter2", key, takes, refuses} {
				if strings.Contains(got.stdout+got.stderr, hidden) {
					t.Errorf("it prints %s", hidden)
				}
			}
		})
	}
}

// newReceiver starts a receiver of messages and returns its address.
func newReceiver(t *testing.T, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, "{}")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// The command lists the messages that ended undelivered, and no other one.
func TestNotifyFailed_ListsWhatEndedUndelivered(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir := t.TempDir()
		env = append(env, "CERTCTL_LOG_LEVEL=error")
		migrate(t, dir, env)
		got := runCertctl(t, dir, env, "notify", "failed")
		if fields := strings.Fields(got.stdout); got.failed || got.stderr != "" || strings.Join(fields, " ") != "ID RECEIVER TYPE ABOUT WRITTEN ENDED ATTEMPTS REASON" {
			t.Errorf("without messages: failed %t: %s%s", got.failed, got.stdout, got.stderr)
		}
		id := failOneOfTwoMessages(t, dir, env)
		got = runCertctl(t, dir, env, "notify", "failed")
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		want := regexp.MustCompile(`^` + id + ` +webhook-1 +approval\.rejected +ar-1 +\S+Z +\S+Z +1 +it answered 403 Forbidden$`)
		if got.failed || got.stderr != "" || len(lines) != 2 || !want.MatchString(lines[1]) {
			t.Errorf("failed %t: %s%s", got.failed, got.stdout, got.stderr)
		}
	})
}

// failOneOfTwoMessages writes two messages, ends the first one undelivered, and returns its id.
func failOneOfTwoMessages(t *testing.T, dir string, env []string) string {
	t.Helper()
	database := store.Options{Path: filepath.Join(dir, "certctl-data", "certctl.db")}
	for _, variable := range env {
		if address, ok := strings.CutPrefix(variable, "CERTCTL_DATABASE_URL="); ok {
			database = store.Options{URL: address}
		}
	}
	db, err := store.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, box := t.Context(), outbox.Outbox{Store: db}
	if err := outbox.Register(ctx, db, []string{"webhook-1"}); err != nil {
		t.Fatal(err)
	}
	for _, about := range []string{"ar-1", "ar-2"} {
		if err := db.Write(ctx, func(tx *store.Tx) error {
			return outbox.Append(tx, outbox.Message{Type: outbox.ApprovalRejected, About: about})
		}); err != nil {
			t.Fatal(err)
		}
	}
	row, found, err := box.Claim(ctx, "webhook-1")
	if err != nil || !found || row.About != "ar-1" {
		t.Fatalf("%+v is claimed: %v", row, err)
	}
	row.CreatedAt = row.CreatedAt.Add(-outbox.GiveUpAfter)
	if final, err := box.Retry(ctx, row, "it answered 403 Forbidden"); err != nil || !final {
		t.Fatalf("the message has not ended: %v", err)
	}
	return row.ID
}
