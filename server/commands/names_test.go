package commands

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// Scripts call these commands with these arguments and flags.
func TestCommandLine_KeepsCommandsAndFlags(t *testing.T) {
	want := map[string]string{
		"":                        "--help --database-url --pgbouncer --data-dir --ca-cert-file --ca-key-file --log-level --log-format",
		"approvals approve":       "id --endpoint --ca-file --output --exact --note --digest --yes",
		"approvals list":          "--endpoint --ca-file --output --exact --state --kind --profile --certificate --requested-by --decided-by --since --order --limit",
		"approvals reject":        "id --endpoint --ca-file --output --exact --note --digest",
		"approvals show":          "id --endpoint --ca-file --output --exact",
		"approvals withdraw":      "id --endpoint --ca-file --output --exact --note",
		"backup":                  "file",
		"certificates chain":      "id --endpoint --ca-file",
		"certificates list":       "--endpoint --ca-file --output --exact --profile --common-name --san --status --serial-number --fingerprint --spki --expires-within --blocked --archived --limit",
		"certificates renew":      "id --endpoint --ca-file --output --exact --csr --reason --digest --also-exclude --stand-for --yes",
		"certificates show":       "id --endpoint --ca-file --output --exact",
		"completion":              "shell",
		"login":                   "--endpoint --ca-file",
		"logout":                  "--endpoint --ca-file",
		"whoami":                  "--endpoint --ca-file --output --exact",
		"ca init":                 "--key --name --days",
		"ca replace":              "",
		"key create":              "principal --name --expires-in",
		"key list":                "",
		"key revoke":              "id",
		"migrate":                 "--database-wait --serve-role",
		"notify failed":           "",
		"notify test":             "--external-url --webhook-url --webhook-secret-file --notify-urls-file --notify-reminders --notify-names",
		"principal create":        "id --kind --owner --role",
		"principal disable":       "id",
		"principal enable":        "id",
		"principal handover":      "from to",
		"principal list":          "",
		"principal owner":         "id --owner",
		"principal roles":         "id --role",
		"serve":                   "--database-wait --listen --tls-cert-file --tls-key-file --behind-tls-proxy --trusted-proxies --console --metrics-listen --job-awaiting-approval-timeout --approval-bypass --workers --issue-within --renewal-interval --renewal-retry-after --reaper-interval --external-url --webhook-url --webhook-secret-file --notify-urls-file --notify-reminders --notify-names --audit-log",
		"ungated-names allow-all": "--yes",
		"ungated-names set":       "--dns --ip --uri --email --eku --none --yes",
		"ungated-names show":      "",
		"version":                 "",
	}
	model := newParser(t.Context(), "dev", &cli{}).Model
	got := map[string]string{"": listFlags(model.Node)}
	for _, leaf := range model.Leaves(false) {
		var words []string
		for _, argument := range leaf.Positional {
			words = append(words, argument.Name)
		}
		got[leaf.Path()] = strings.TrimSpace(strings.Join(words, " ") + " " + listFlags(leaf))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, command := range model.Children {
		if command.Group == nil {
			t.Errorf("%s is in no group of the help", command.Name)
		}
	}
}

// listFlags lists the flags that a node adds to those of its parents.
func listFlags(node *kong.Node) string {
	var flags []string
	for _, flag := range node.Flags {
		flags = append(flags, "--"+flag.Name)
	}
	return strings.Join(flags, " ")
}
