package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// Terraform itself does in a few drawn sequences what TestCertificate_EverySequence simulates in many.
func TestCertificate_SequencesInTerraform(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	keys := []string{servertest.CSR(t), servertest.CSR(t), servertest.CSR(t)}
	for seed := range 3 {
		drawn := rapid.SliceOfN(steps, 5, 5).Example(100 + seed)
		t.Run(fmt.Sprintf("%d %v", seed, drawn), func(t *testing.T) {
			t.Parallel()
			sc := newScenario(t, servertest.New(t), "mc-www", seed > 0, keys)
			run := &realSequence{scenario: sc, w: newWorkspace(t, sc.s, sc.s.URL, "")}
			run.apply(t)
			for _, each := range drawn {
				run.take(t, each)
				run.apply(t)
			}
			run.expectReplacements(t, run.replaced)
		})
	}
}

// safeConsumer is replaced whenever the leaf changes. If an apply waits in vain for a new leaf, create_before_destroy keeps
// the old consumer.
var safeConsumer = strings.Replace(consumer, "}\n", "  lifecycle {\n    create_before_destroy = true\n  }\n}\n", 1)

// realSequence is a scenario in a workspace, with a consumer that Terraform replaces for each new certificate_pem.
type realSequence struct {
	scenario
	w        workspace
	consumer string // its id; empty without a consumer
	replaced int
}

// configuration returns the certificate and its consumer. An apply that waits for a person gives up at once.
func (r *realSequence) configuration() string {
	names := []string{"www.example.com", "a.example.com", "b.example.com"}
	more := fmt.Sprintf("labels = { n = %d }\n  wait_for_issuance = %t\n", r.config["label"], r.config["wait"] > 0)
	if r.config["trigger"] > 0 {
		more += fmt.Sprintf("renewal_triggers = { n = %d }\n", r.config["trigger"])
	}
	if r.isGated {
		more += "timeouts = {\n    create = \"1ms\"\n    update = \"1ms\"\n  }\n"
	}
	return certificate(r.profile, r.keys[r.config["key"]], names[:1+r.config["sans"]], more) + safeConsumer
}

// apply applies the configuration, and expects that nothing is left to do. An apply that waits for a person may fail.
func (r *realSequence) apply(t *testing.T) {
	t.Helper()
	r.w.Configure(t, r.configuration())
	waits := r.isGated && r.config["wait"] > 0
	if out, code := r.w.Start(t, terraformtest.Apply...).Wait(t); code != 0 {
		if !waits || !strings.Contains(out, "Certificate mc-www") {
			t.Fatalf("exit code %d: %s", code, out)
		}
		return
	}
	state := r.w.State(t)
	made := state[consumerAddress].Values
	if trigger := made["triggers_replace"].([]any); trigger[0] != state[certificateAddress].Values["certificate_pem"] {
		t.Error("the consumer has another certificate_pem than the certificate")
	}
	if id := made["id"].(string); id != r.consumer {
		if r.consumer != "" {
			r.replaced++
		}
		r.consumer = id
	}
	if !waits || state[certificateAddress].Values["status"] != "awaiting_approval" {
		r.w.ExpectNoChanges(t)
	}
}
