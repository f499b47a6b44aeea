package policy_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var shown = regexp.MustCompile("<!-- run: (.*) -->\n```(\\w+)\n((?s:.*?))```\n")

// The guides show the output of the commands beside it, for stored plans that Terraform made. With -update the test writes
// the output into the guides.
func TestGuides(t *testing.T) {
	t.Parallel()
	tool(t, "opa")
	for _, guide := range []string{"policy-as-code", "plans-for-policy-authors"} {
		file := "../../templates/guides/" + guide + ".md.tmpl"
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := 0
		made := shown.ReplaceAllStringFunc(string(content), func(block string) string {
			blocks++
			m := shown.FindStringSubmatch(block)
			return "<!-- run: " + m[1] + " -->\n```" + m[2] + "\n" + prints(t, m[1]) + "```\n"
		})
		if *update {
			write(t, file, []byte(made))
		} else if blocks == 0 || made != string(content) {
			t.Errorf("%s shows something else than its commands print: run make generate", guide)
		}
	}
}

// prints is what a command says, with the pinned tools.
func prints(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Env = append(os.Environ(), "PATH=../../bin/tools:"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimRight(string(out), "\n") + "\n"
}
