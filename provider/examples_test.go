package provider_test

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// examples returns the files below examples/ with a suffix. The policies have their own tests, and so has the rotation of a key.
func examples(t *testing.T, suffix string) (files []string) {
	t.Helper()
	err := filepath.WalkDir("../examples", func(path string, d fs.DirEntry, err error) error {
		if d != nil && (d.Name() == "policy-as-code" || d.Name() == "key-rotation") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, suffix) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples %s: %v", suffix, err)
	}
	return files
}

// Every example is applied, has an empty plan, and is destroyed.
func TestExamples(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for _, file := range examples(t, ".tf") {
		if strings.HasPrefix(filepath.Base(file), "import-") || filepath.Base(file) == "action.tf" {
			continue // TestExamples_Imports, TestExamples_AreTheSchemas
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			appliedExample(t, exampleServer(t), file).Run(t, 0, "destroy", "-auto-approve", "-no-color")
		})
	}
}

// Every form of import brings the object of the resource's example into another state.
func TestExamples_Imports(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for _, file := range slices.Concat(examples(t, "import-by-string-id.tf"), examples(t, "import.sh")) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := exampleServer(t)
			beside := filepath.Join(filepath.Dir(file), "resource.tf")
			made := appliedExample(t, s, beside).State(t)
			for _, way := range importWays(t, file) {
				w := newWorkspace(t, s, s.URL, "")
				w.useExample(t, beside)
				for address, resource := range made {
					if strings.HasPrefix(address, "certctl_certificate_profile.") && !strings.Contains(way, address) {
						w.Run(t, 0, "import", address, resource.Values["id"].(string))
					}
				}
				w.runImport(t, way)
				w.Run(t, 0, terraformtest.Apply...)
				w.ExpectNoChanges(t)
			}
		})
	}
}

// exampleServer has the objects that the examples refer to and do not make.
func exampleServer(t *testing.T) *servertest.Server {
	t.Helper()
	s := servertest.New(t)
	payments := api.DefaultProfileSpec()
	payments.Name, payments.RequiresApproval, payments.AllowedDNSNames = "Payments", true, []string{"payments.example.com"}
	if _, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ID: "p-payments", ProfileSpec: payments}); err != nil {
		t.Fatal(err)
	}
	spec := api.DefaultCertificateSpec()
	spec.ProfileID, spec.SANs, spec.CSRPEM = "p-payments", payments.AllowedDNSNames, servertest.CSR(t)
	c, err := s.Client(t, "olga").CreateCertificate(t.Context(), api.CreateCertificate{ID: "mc-payments", CertificateSpec: spec}, client.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), *c.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	nothingOpen(t, s)
	return s
}

// appliedExample returns a workspace in which an example was applied.
func appliedExample(t *testing.T, s *servertest.Server, file string) workspace {
	t.Helper()
	w := newWorkspace(t, s, s.URL, "")
	w.useExample(t, file)
	w.Run(t, 0, terraformtest.Apply...)
	w.ExpectNoChanges(t)
	return w
}

// useExample makes an example the configuration.
func (w workspace) useExample(t *testing.T, file string) {
	t.Helper()
	text := string(readFile(t, file))
	if !strings.Contains(text, "required_providers") {
		text = terraformtest.Provider + text
	}
	w.Write(t, "main.tf", text)
}

// importWays returns the commands of an import example, or its block.
func importWays(t *testing.T, file string) []string {
	t.Helper()
	text := string(readFile(t, file))
	if commands := regexp.MustCompile(`(?m)^terraform .*$`).FindAllString(text, -1); len(commands) > 0 {
		return commands
	}
	return []string{text}
}

// runImport follows an import example: it adds the block to the configuration, or runs the command.
func (w workspace) runImport(t *testing.T, way string) {
	t.Helper()
	if !strings.HasPrefix(way, "terraform ") {
		w.Write(t, "import.tf", way)
		return
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `terraform() { "$0" "$@"; }; `+way, os.Getenv("TF_ACC_TERRAFORM_PATH"))
	cmd.Dir, cmd.Env = w.Dir, w.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", way, err, out)
	}
}

// Examples for a newer Terraform than the tests have use types and attributes of the schemas.
func TestExamples_MatchTheSchemas(t *testing.T) {
	t.Parallel()
	w := configuredProvider(t, "http://127.0.0.1:9", "ctl_a_b", nil)
	schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	identities, err := w.GetResourceIdentitySchemas(t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range slices.Concat(examples(t, "import-by-identity.tf"), examples(t, "action.tf"), examples(t, ".tfquery.hcl")) {
		block := onlyBlock(t, file)
		var known, used []string
		switch block.Type {
		case "import":
			resource, _, _ := strings.Cut(sourceOf(t, file, block.Body.Attributes["to"].Expr), ".")
			for _, a := range identities.IdentitySchemas[resource].IdentityAttributes {
				known = append(known, a.Name)
			}
			for _, item := range block.Body.Attributes["identity"].Expr.(*hclsyntax.ObjectConsExpr).Items {
				used = append(used, sourceOf(t, file, item.KeyExpr))
			}
		case "action":
			for _, a := range schemas.ActionSchemas[block.Labels[0]].Schema.Block.Attributes {
				known = append(known, a.Name)
			}
			used = slices.Collect(maps.Keys(block.Body.Blocks[0].Body.Attributes))
		case "list":
			kind := block.Labels[0]
			for typeName, schema := range schemas.ListResourceSchemas {
				known = append(known, typeName)
				if typeName == kind {
					known = append(known, attributeNames(schema)...)
				}
			}
			used = append(used, kind)
			for _, config := range block.Body.Blocks {
				used = slices.AppendSeq(used, maps.Keys(config.Body.Attributes))
			}
		}
		for _, name := range used {
			if !slices.Contains(known, name) {
				t.Errorf("%s: %s is none of %v", file, name, known)
			}
		}
	}
}

func attributeNames(schema *tfprotov6.Schema) (names []string) {
	for _, a := range schema.Block.Attributes {
		names = append(names, a.Name)
	}
	return names
}

func onlyBlock(t *testing.T, file string) *hclsyntax.Block {
	t.Helper()
	parsed, diags := hclparse.NewParser().ParseHCLFile(file)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	blocks := parsed.Body.(*hclsyntax.Body).Blocks
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks", file, len(blocks))
	}
	return blocks[0]
}

// sourceOf returns the text of an expression.
func sourceOf(t *testing.T, file string, e hclsyntax.Expression) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Range().SliceBytes(text))
}
