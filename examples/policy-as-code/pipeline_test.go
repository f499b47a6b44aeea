package policy_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// pipeline is a machine on which plan.sh runs: a configuration, and the policies elsewhere.
type pipeline struct {
	*scene
	workspace terraformtest.Workspace
	policy    string // with opa/ and pipeline/
	summary   string // a file
	env       []string
}

func newPipeline(t testing.TB, configuration string) pipeline {
	t.Helper()
	s := newScene(t, scenario{})
	p := pipeline{scene: s, workspace: terraformtest.New(t, s.URL, s.Key(t, "terraform")), policy: t.TempDir()}
	p.workspace.Configure(t, configuration)
	p.summary = filepath.Join(p.policy, "summary.md")
	for _, folder := range []string{"opa", "pipeline"} {
		if err := os.CopyFS(filepath.Join(p.policy, folder), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	p.parameters(t, map[string]any{"endpoints": []string{s.URL}, "accept_unknown_completeness": engine(t) == "opentofu"})

	tools := filepath.Dir(tool(t, "conftest"))
	p.env = append(slices.Clone(p.workspace.Env), "PATH="+tools+":"+os.Getenv("PATH"), "TERRAFORM="+os.Getenv("TF_ACC_TERRAFORM_PATH"),
		"TF_CLI_CONFIG_FILE="+terraformtest.NewMirror(t), "GITHUB_STEP_SUMMARY="+p.summary)
	return p
}

// parameters sets some, and leaves the others as the folder has them.
func (p pipeline) parameters(t testing.TB, some map[string]any) {
	t.Helper()
	all := folderParameters(t)
	maps.Copy(all, some)
	content, err := json.Marshal(map[string]any{"certctl": map[string]any{"parameters": all}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.policy, "opa", "data.json"), content)
}

// run gives what plan.sh logged and its summary. It must end with this code.
func (p pipeline) run(t testing.TB, code int, args ...string) (log, summary string) {
	t.Helper()
	_ = os.Remove(p.summary)
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.policy, "pipeline", "plan.sh"), append(args, p.workspace.Dir)...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%v, want exit code %d\n%s", err, code, out)
	}
	written, err := os.ReadFile(p.summary)
	if err != nil && (code != 1 || !os.IsNotExist(err)) {
		t.Fatal(err)
	}
	return string(out), string(written)
}

// has says whether the server has the profile.
func (p pipeline) has(t testing.TB, id string) bool {
	t.Helper()
	_, err := p.Client(t, "vera").GetProfile(t.Context(), id)
	if err == nil {
		return true
	}
	servertest.RequireProblem(t, err, api.CodeNotFound)
	return false
}

// A plan goes on, is applied if that is wanted, and is stopped once an approval has waited too long; whoever reads the
// summary can decide it with what stands there.
func TestPipeline(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	p := newPipeline(t, web()+reading)

	_, summary := p.run(t, 0)
	if want := "## certctl: the plan may go on\n\nApprovals that await a second person: 0\n"; summary != want {
		t.Errorf("the summary is %q", summary)
	}
	if p.has(t, "p-web") {
		t.Fatal("applied, and nobody asked for it")
	}
	p.run(t, 0, "--apply")
	if !p.has(t, "p-web") {
		t.Fatal("the plan was not applied")
	}

	request("mc-www", long)(t, p.scene)
	p.workspace.Configure(t, web()+reading+`resource "certctl_certificate_profile" "other" { 
		id = "p-other" 
		name = "Other" 
		requires_approval = true
	}`)
	log, summary := p.run(t, 2, "--apply")
	if p.has(t, "p-other") {
		t.Error("a plan that was denied has been applied")
	}
	if !strings.Contains(log, "plan.sh: denied: The oldest approval on "+p.URL+" has waited 30 hours") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	for _, want := range []string{"## certctl: the plan is denied", "- The oldest approval on", "### Approvals that await a second person: 1", "| mc-www (www.example.com) | Web | olga | 30 hours |"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary does not say %q:\n%s", want, summary)
		}
	}
	p.decide(t, summary)
	p.run(t, 0, "--apply")
}

// decide runs the commands of a summary.
func (p pipeline) decide(t testing.TB, summary string) {
	t.Helper()
	_, commands, _ := strings.Cut(summary, "```shell\n")
	commands, _, found := strings.Cut(commands, "```")
	if !found {
		t.Fatalf("no commands:\n%s", summary)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", strings.ReplaceAll(commands, "curl ", "curl -sf "))
	cmd.Env = append(os.Environ(), "APPROVER_API_KEY="+p.Key(t, "bob"))
	output(t, cmd)
}

// If the script cannot judge a plan, it applies nothing and fails.
func TestPipeline_FailsClosed(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for name, tt := range map[string]struct {
		broken func(testing.TB, *pipeline)
		args   []string
		says   string
	}{
		"no policies":             {broken: remove("opa"), says: "data.json is missing"},
		"empty folder":            {broken: noPolicyBut(), says: "could not judge the plan"},
		"other policies":          {broken: noPolicyBut("certctl/other.rego", "package other\ndeny contains 1 if false\n"), says: "could not judge the plan"},
		"broken policy":           {broken: put("opa/certctl/broken.rego", "package certctl\ndeny contains"), says: "could not judge the plan"},
		"no conftest":             {broken: environment("PATH=/usr/bin:/bin"), says: "conftest is missing"},
		"no terraform":            {broken: environment("TERRAFORM=terraform-that-is-not"), says: "terraform-that-is-not is missing"},
		"broken configuration":    {broken: configuration("nonsense"), says: "could not"},
		"no server":               {broken: environment("CERTCTL_ENDPOINT=http://127.0.0.1:1"), says: "plan"},
		"bad key":                 {broken: environment("CERTCTL_API_KEY=ctl_no_key"), says: "plan"},
		"provider of the authors": {broken: configured("terraform.d/plugins/x"), says: "terraform.d may hold another provider"},
		"a target":                {args: []string{"-target=x"}, says: "usage: plan.sh"},
		"a target behind a file":  {args: []string{"-var-file=x", "-target=x"}, says: "usage: plan.sh"},
		"an option without value": {args: []string{"-var-file=", "x"}, says: "usage: plan.sh"},
		"a file that is missing":  {args: []string{"-var-file=x"}, says: "variables file x does not exist"},
		"two folders":             {args: []string{"x"}, says: "usage: plan.sh"},
		"summary cannot be written": {
			broken: environment("GITHUB_STEP_SUMMARY=/nowhere/summary.md"), says: "could not write the summary",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t, web()+reading)
			if tt.broken != nil {
				tt.broken(t, &p)
			}
			if log, _ := p.run(t, 1, append(tt.args, "--apply")...); !strings.Contains(log, tt.says) {
				t.Errorf("the log does not say %q:\n%s", tt.says, log)
			}
			if p.has(t, "p-web") {
				t.Error("the plan was applied")
			}
		})
	}
}

// Without parameters the plan is denied, and the summary says what is missing.
func TestPipeline_WithoutParameters(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for name, text := range misplaced(t) {
		if text == "" {
			continue // TestPipeline_FailsClosed: plan.sh does not start
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t, web("requires_approval = false", `allowed_dns_names = ["**"]`))
			write(t, filepath.Join(p.policy, "opa", "data.json"), []byte(text))
			log, summary := p.run(t, 2, "--apply")
			if !saysNoParameters(log) || !strings.Contains(summary, "## certctl: the plan is denied") {
				t.Errorf("%s\n%s", log, summary)
			}
			if p.has(t, "p-web") {
				t.Error("the plan was applied")
			}
		})
	}
}

// One configuration serves several environments: each has a file of variables and a backend of its own.
func TestPipeline_Environments(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	p := newPipeline(t, "terraform {\n  backend \"local\" {}\n}\nvariable \"name\" {}\nvariable \"id\" {}\n"+web("id = var.id", "name = var.name")+reading)
	write(t, filepath.Join(p.workspace.Dir, "staging.tfvars"), []byte(`id = "p-staging"`))
	write(t, filepath.Join(p.workspace.Dir, "names", "my names.tfvars"), []byte(`name = "Staging"`))
	write(t, filepath.Join(p.workspace.Dir, "staging.backend"), []byte(`path = "staging.tfstate"`))
	p.run(t, 0, "--apply", "-var-file=staging.tfvars", "-var-file=names/my names.tfvars", "-backend-config=staging.backend", "-lock-timeout=5s")
	if !p.has(t, "p-staging") {
		t.Error("the plan was not applied")
	}
	if _, err := os.Stat(filepath.Join(p.workspace.Dir, "staging.tfstate")); err != nil {
		t.Error(err)
	}
}

// A root module that is named needs a reading, and a root module without certctl needs none.
func TestPipeline_RootModule(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	p := newPipeline(t, "")
	p.workspace.Write(t, "main.tf", "resource \"terraform_data\" \"x\" {}\n")
	p.parameters(t, map[string]any{"endpoints": []string{p.URL}, "accept_unknown_completeness": true, "root_modules_with_reading": []string{"payments/certificates"}})
	for name, code := range map[string]int{"network": 0, "payments/certificates": 2, "": 2} {
		p.env = append(p.env, "ROOT_MODULE="+name)
		p.run(t, code)
	}
}

// An edit that waits is a failed apply, as everywhere.
func TestPipeline_ApplyFails(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	p := newPipeline(t, web()+reading)
	p.run(t, 0, "--apply")
	p.workspace.Configure(t, web("max_sans = 5")+reading)
	log, summary := p.run(t, 1, "--apply")
	if !strings.Contains(log, "Awaiting approval") || !strings.Contains(summary, "### Once it is applied") {
		t.Errorf("%s\n%s", log, summary)
	}
}

// Arguments in the environment choose no part of the configuration, and text of others is no Markdown.
func TestPipeline_Forgeries(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	p := newPipeline(t, web("name = \"W | <img src=x> | [a](https://b)\"")+reading)
	p.env = append(p.env, "TF_CLI_ARGS_plan=-target=data.certctl_pending_approvals.all", "TF_CLI_ARGS=-help")
	p.run(t, 0, "--apply")
	if !p.has(t, "p-web") {
		t.Fatal("a part of the configuration was planned")
	}
	request("mc-www", fresh)(t, p.scene)
	if _, summary := p.run(t, 0); !strings.Contains(summary, "| W &#124; &#60;img src=x&#62; &#124; &#91;a&#93;(https&#58;//b) |") {
		t.Error(summary)
	}
}

// Without a file for summaries, the summary is the whole standard output. Files for Conftest beside the configuration are
// not read.
func TestPipeline_StandardOutput(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	p := newPipeline(t, web()+reading)
	write(t, filepath.Join(p.workspace.Dir, "conftest.toml"), []byte(`ignore = ".*"`))
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.policy, "pipeline", "plan.sh"))
	cmd.Dir, cmd.Env = p.workspace.Dir, append(slices.Clone(p.env), "GITHUB_STEP_SUMMARY=")
	if out := string(output(t, cmd)); !strings.HasPrefix(out, "## certctl: the plan may go on\n") || strings.Contains(out, "Terraform") {
		t.Error(out)
	}
}

func environment(variable string) func(testing.TB, *pipeline) {
	return func(_ testing.TB, p *pipeline) { p.env = append(p.env, variable) }
}

func configuration(text string) func(testing.TB, *pipeline) {
	return func(t testing.TB, p *pipeline) { p.workspace.Configure(t, text) }
}

func configured(file string) func(testing.TB, *pipeline) {
	return func(t testing.TB, p *pipeline) { write(t, filepath.Join(p.workspace.Dir, file), nil) }
}

func remove(name string) func(testing.TB, *pipeline) {
	return func(t testing.TB, p *pipeline) {
		if err := os.RemoveAll(filepath.Join(p.policy, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func put(name, text string) func(testing.TB, *pipeline) {
	return func(t testing.TB, p *pipeline) { write(t, filepath.Join(p.policy, name), []byte(text)) }
}

// noPolicyBut leaves the parameters, and perhaps another policy.
func noPolicyBut(file ...string) func(testing.TB, *pipeline) {
	return func(t testing.TB, p *pipeline) {
		remove("opa/certctl")(t, p)
		if len(file) > 0 {
			put("opa/"+file[0], file[1])(t, p)
		}
	}
}
