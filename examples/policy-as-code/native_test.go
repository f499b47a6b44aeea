package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// native is an empty workspace whose server is on the list.
func native(t testing.TB, s *scene) terraformtest.Workspace {
	t.Helper()
	w := terraformtest.New(t, s.URL, s.Key(t, "terraform"))
	w.Env = append(w.Env, `TF_VAR_endpoints=["`+s.URL+`"]`)
	return w
}

// copyFolder puts the files of terraform/ into it, some of their text replaced.
func copyFolder(t testing.TB, w terraformtest.Workspace, replace ...string) {
	t.Helper()
	files, err := filepath.Glob("terraform/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(t, filepath.Base(file), strings.NewReplacer(replace...).Replace(string(content)))
	}
}

// edit is one of the profile that waits.
func edit(t testing.TB, s *scene) {
	t.Helper()
	olga := s.Client(t, "olga")
	p, err := olga.GetProfile(t.Context(), "p-web")
	if err != nil {
		t.Fatal(err)
	}
	p.RequiresApproval = false
	if _, err := olga.ReplaceProfile(t.Context(), "p-web", p.ProfileSpec); err == nil {
		t.Fatal("the edit did not wait")
	}
}

// Each condition lets a plan go on, and stops another or warns of it, while a real server has what it is about.
func TestNative(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for name, tt := range map[string]struct {
		waits   func(testing.TB, *scene)
		options []servertest.Option
		vars    []string
		replace []string // in the files
		code    int      // of terraform plan -detailed-exitcode
		says    string
	}{
		"nothing waits":          {},
		"waits for a moment":     {waits: request("mc-www", fresh), says: "Warning: Check block assertion failed … Requests under profile p-web await a second person."},
		"waits for hours":        {waits: request("mc-www", 6*time.Hour), says: "An approval has waited 6 hours; after 24 the plan will be stopped. Oldest first: ar-"},
		"an edit waits":          {waits: edit, says: "Edits of profiles await a second person (1)"},
		"waits too long":         {waits: request("mc-www", long), code: 1, says: "Error: Resource precondition failed … has waited 30 hours, and 24 are allowed. Have it decided: ar-"},
		"too many wait":          {waits: all(request("mc-a", fresh), request("mc-b", fresh)), vars: []string{"max_pending=1"}, code: 1, says: "2 approvals await a second person on http://127.0.0.1"},
		"not all is listed":      {waits: all(request("mc-a", fresh), request("mc-b", fresh)), replace: []string{`"all" {`, "\"all\" {\n  limit = 1"}, code: 1, says: "has 2 pending approvals, more than are listed."},
		"another server":         {vars: []string{`endpoints=["https://certctl.example.com"]`}, code: 1, says: "which is not one of https://certctl.example.com."},
		"everything is approved": {options: []servertest.Option{servertest.Bypass()}, code: 1, says: "approves every request by itself (CERTCTL_APPROVAL_BYPASS)"},
		"without a gate":         {vars: []string{"requires_approval=false"}, code: 1, says: "Profile p-web must set requires_approval: it is not among ungated_profiles."},
		"another is without":     {vars: []string{`ungated_profiles=["p-api"]`, "requires_approval=false"}, code: 1, says: "Profile p-web must set requires_approval: it is not among ungated_profiles."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, scenario{options: tt.options})
			w := native(t, s)
			copyFolder(t, w)
			if tt.options == nil {
				w.Run(t, 0, terraformtest.Apply...)
			}
			copyFolder(t, w, tt.replace...)
			if tt.waits != nil {
				tt.waits(t, s)
			}
			plan := []string{"plan", "-no-color", "-detailed-exitcode"}
			for _, v := range tt.vars {
				plan = append(plan, "-var", v)
			}
			out := terraformtest.JoinLines(w.Run(t, tt.code, plan...))
			rest := out
			for part := range strings.SplitSeq(tt.says, " … ") {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("nobody says %q:\n%s", part, out)
				}
				rest = after
			}
			if tt.says == "" && strings.Contains(out, "Warning: Check") {
				t.Errorf("warned for nothing:\n%s", out)
			}
		})
	}
}

// A precondition stops every plan, also one that disables a profile. The guide says how to disable the profile all the same.
func TestNative_Emergency(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := newScene(t, scenario{})
	w := native(t, s)
	copyFolder(t, w)
	w.Run(t, 0, terraformtest.Apply...)
	request("mc-www", long)(t, s)
	copyFolder(t, w, "= var.requires_approval", "= var.requires_approval\n  enabled = false")
	w.Run(t, 1, "plan", "-no-color")
	guide := firstPage(t, "docs/guides/policy-as-code.md")
	if command := "terraform apply -target=certctl_certificate_profile.web"; !strings.Contains(guide, command) {
		t.Errorf("the guide does not have: %s", command)
	}
	w.Run(t, 0, append(slices.Clone(terraformtest.Apply), "-target=certctl_certificate_profile.web")...)
	p, err := s.Client(t, "vera").GetProfile(t.Context(), "p-web")
	if err != nil || p.Enabled {
		t.Errorf("the profile is enabled: %v", err)
	}
}

// A check that has warned does not keep the next plan from being empty.
func TestNative_WarningsLeaveNothingToDo(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := newScene(t, scenario{})
	w := native(t, s)
	copyFolder(t, w)
	w.Run(t, 0, terraformtest.Apply...)
	request("mc-www", fresh)(t, s)
	if out := w.Run(t, 0, terraformtest.Apply...); !strings.Contains(out, "Check block assertion failed") {
		t.Fatalf("the apply does not warn:\n%s", out)
	}
	w.ExpectNoChanges(t)
}

var condition = regexp.MustCompile(`(?m)^(\s+condition\s+= )(.*)$`)

// The tests of the folder need no server, and notice each condition that no longer holds anything.
func TestNative_Tests(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	w := terraformtest.New(t, "", "")
	copyFolder(t, w)
	w.Run(t, 0, "test", "-no-color")

	for _, file := range []string{"main.tf", "stop.tf", "warn.tf"} {
		content, err := os.ReadFile(filepath.Join("terraform", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range condition.FindAllStringSubmatch(string(content), -1) {
			copyFolder(t, w, line[0], line[1]+"("+line[2]+") || true")
			if out := w.Run(t, 1, "test", "-no-color"); !strings.Contains(out, "Missing expected failure") {
				t.Errorf("%s:\n%s", line[2], out)
			}
		}
	}
}
