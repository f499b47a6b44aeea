package commands

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A shell gets commands, flags and the words of a flag, without a database and without a server.
func TestCompletion_AnswersAShell(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"certctl ap":                        "approvals",
		"certctl approvals a":               "approve",
		"certctl approvals list --sta":      "--state",
		"certctl approvals list --order ex": "expires_at",
		"certctl completion z":              "zsh",
		"certctl ungated-names ":            "allow-all set show",
		"certctl approvals approve --zzz":   "",
	} {
		dir := t.TempDir()
		got := runCertctl(t, dir, []string{"CERTCTL_DATABASE_URL=postgres://absent.invalid/none", "COMP_LINE=" + line})
		if words := strings.Join(sortWords(got.stdout), " "); got.failed || words != want {
			t.Errorf("%q: %q, want %q\n%s", line, words, want, got.stderr)
		}
	}
}

// The script for bash registers the program.
func TestCompletion_ScriptWorksInBash(t *testing.T) {
	t.Parallel()
	script := runCertctl(t, t.TempDir(), nil, "completion", "bash")
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script.stdout+"\ncomplete -p certctl").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " certctl") || !strings.Contains(string(out), "-C ") {
		t.Errorf("%v: %s", err, out)
	}
	for _, shell := range []string{"zsh", "fish"} {
		if got := runCertctl(t, t.TempDir(), nil, "completion", shell); got.failed || !strings.Contains(got.stdout, "certctl") {
			t.Errorf("%s: %s", shell, got.stderr)
		}
	}
}

func sortWords(text string) []string {
	words := strings.Fields(text)
	slices.Sort(words)
	return words
}
