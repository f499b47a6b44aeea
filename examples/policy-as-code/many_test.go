package policy_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// manyWait has 10,000 approvals: those under another profile have waited too long, the youngest is under the profile that
// the plan changes.
var manyWait = scenario{
	options: []servertest.Option{servertest.WithoutInvariants(), servertest.NoWorkers()},
	first:   web(), waits: all(waitingElsewhere(9_999), request("mc-www", fresh)),
	then:   web("max_sans = 5") + "data \"certctl_pending_approvals\" \"all\" {\n  limit = 500\n}\n",
	denied: []string{"10000 approvals await", "waited 30 hours", "while 1 approvals"},
	warned: []string{"this edit"},
}

// A reading lists no more than its limit, and says so. The policy decides by what is counted: it finds what the list does
// not have.
func TestPolicies_ManyApprovals(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	f := manyWait.fixture(t)
	if fault := manyWait.fault("", judge(t, "opa", map[string]fixture{"it": f})["it"]); fault != "" {
		t.Error(fault)
	}
}

// fixture makes the plan now.
func (sc scenario) fixture(t testing.TB) fixture {
	t.Helper()
	s := newScene(t, sc)
	return fixture{normalised(t, s, sc.plan(t, s)), sc.parametersFor(t, "opentofu")}
}

// waitingElsewhere puts requests under another profile that have waited too long into the database.
func waitingElsewhere(n int) func(testing.TB, *scene) {
	return func(t testing.TB, s *scene) {
		t.Helper()
		const layout = "2006-01-02 15:04:05.000000+00:00"
		now := s.Clock.Now().UTC()
		s.Exec(t, `WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?)
			INSERT INTO approvals (id, kind, state, profile_id, profile_name, certificate_id, job_id, requested_by, accountable, excluded,
				also_excluded, stands_for, rejections, csr_ignored, reason, subject, digest, expires_at, note, created_at, updated_at)
			SELECT 'ar-' || i, 'issuance', 'pending', 'p-other', 'Other', 'mc-' || i, 'job-' || i, 'olga', 'olga', '["olga"]', '[]', '[]', '[]', '[]', '',
				'{}', 'sha256:0', ?, '', ?, ? FROM numbers`,
			n, now.Add(long).Format(layout), now.Add(-long).Format(layout), now.Add(-long).Format(layout))
	}
}

// BenchmarkPolicies_ManyApprovals is how long plain OPA takes to judge a plan whose reading lists as many approvals as it
// can, the start of the program included:
//
//	TF_ACC=1 CGO_ENABLED=0 go test ./examples/policy-as-code -run '^$' -bench ManyApprovals
func BenchmarkPolicies_ManyApprovals(b *testing.B) {
	terraformtest.UseBinaries(b)
	plan := filepath.Join(b.TempDir(), "plan.json")
	write(b, plan, manyWait.fixture(b).Plan)
	for b.Loop() {
		output(b, exec.CommandContext(b.Context(), tool(b, "opa"), "eval", "--data", "opa", "--input", plan, "data.certctl.deny"))
	}
}
