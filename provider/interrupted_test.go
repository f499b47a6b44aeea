package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

const (
	postProfile     = "POST /api/v1/profiles"
	postCertificate = "POST /api/v1/certificates?issue=true"
)

// creation is an object that one POST makes.
type creation struct{ address, post, configuration string }

func creations(t *testing.T, s *servertest.Server) map[string]creation {
	t.Helper()
	return map[string]creation{
		"profile":     {profileAddress, postProfile, minimalProfile("CDN")},
		"certificate": {certificateAddress, postCertificate, certificate(s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t), www, "")},
	}
}

// mustExistOnce fails unless the server has each object once.
func (m creation) mustExistOnce(t *testing.T, s *servertest.Server) {
	t.Helper()
	alice := s.Client(t, "alice")
	if m.post == postProfile {
		mustBeOne(t, "profile", collect(t, alice.ListProfiles, client.ListProfilesOptions{Name: "CDN"}))
		return
	}
	mustBeOne(t, "certificate", collect(t, alice.ListCertificates, client.ListCertificatesOptions{}))
	mustBeOne(t, "approval", collect(t, alice.ListApprovals, client.ListApprovalsOptions{}))
	mustBeOne(t, "job", collect(t, alice.ListJobs, client.ListJobsOptions{CertificateID: "mc-www"}))
}

// Terraform is killed after the server made an object and before the state has it. The next apply makes no second object
// and adopts none. The import block in its error brings the object into the state.
func TestInterrupted_KilledBeforeTheAnswer(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	for name, m := range creations(t, s) {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s)
			w := newWorkspace(t, s, p.URL, m.configuration)
			kept := p.hold(m.post, 0)
			first := w.Start(t, terraformtest.Apply...)
			kept.wait(t, 1)
			first.Signal(t, syscall.SIGKILL)
			first.Wait(t)
			p.setAnswers(nil)

			out := w.Run(t, 1, terraformtest.Apply...)
			mustSay(t, terraformtest.JoinLines(out), "Could not create", "already", "Nothing was adopted")
			blocks := importBlocks(out)
			if len(blocks) != 1 || blocks[m.address] == "" {
				t.Fatalf("what is there to paste? %v\n%s", blocks, out)
			}
			w.Write(t, "import.tf", blocks[m.address])
			w.Run(t, 0, terraformtest.Apply...)
			w.ExpectNoChanges(t)
			m.mustExistOnce(t, s)
		})
	}
}

// If the connection breaks before the answer, the retry gets the same answer.
func TestInterrupted_AnswerLost(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	for name, m := range creations(t, s) {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s)
			w := newWorkspace(t, s, p.URL, m.configuration)
			p.setAnswers(func(r *http.Request, nth int) error {
				if r.Method == http.MethodPost && nth == 1 {
					return errors.New("the answer is lost")
				}
				return nil
			})
			w.Run(t, 0, terraformtest.Apply...)
			if n := p.count(m.post); n != 2 {
				t.Errorf("it was asked %d times", n)
			}
			w.ExpectNoChanges(t)
			m.mustExistOnce(t, s)
		})
	}
}

const (
	manyProfiles = 60
	early        = 10 // profiles whose answers arrive before the interruption
	width        = 15 // requests at once
)

// profiles returns a configuration of many profiles.
func profiles(n int) string {
	return fmt.Sprintf(`
resource "certctl_certificate_profile" "p" {
  count             = %d
  id                = "p-${count.index}"
  name              = "profile ${count.index}"
  requires_approval = false
}
`, n)
}

var applyMany = append(slices.Clone(terraformtest.Apply), fmt.Sprintf("-parallelism=%d", width))

// mustHaveMany fails unless each profile exists once, in the state and on the server, and the plan is empty.
func mustHaveMany(t *testing.T, w workspace, s *servertest.Server) {
	t.Helper()
	w.ExpectNoChanges(t)
	names := map[string]bool{}
	for _, p := range collect(t, s.Client(t, "alice").ListProfiles, client.ListProfilesOptions{Page: client.Page{Limit: 500}}) {
		names[p.Name] = true
	}
	if n := count(t, s, "profiles"); n != manyProfiles || len(names) != manyProfiles {
		t.Errorf("the server has %d profiles of %d names", n, len(names))
	}
	if n := len(w.State(t)); n != manyProfiles {
		t.Errorf("the state has %d profiles", n)
	}
}

// After Ctrl-C the running writes end and are in the state. The next apply makes the other profiles.
func TestInterrupted_ManyByCtrlC(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, profiles(manyProfiles))
	kept := p.hold(postProfile, early)
	first := w.Start(t, applyMany...)
	kept.wait(t, width)
	first.Interrupt(t)
	close(kept.open)
	out, _ := first.Wait(t)
	if known, there := len(w.State(t)), count(t, s, "profiles"); known != there || there < early+width || there == manyProfiles {
		t.Fatalf("%d profiles in the state, %d on the server\n%s", known, there, out)
	}
	w.Run(t, 0, applyMany...)
	mustHaveMany(t, w, s)
}

// After a kill the next apply makes the missing profiles. For each profile that exists and is not in the state, the error
// says how to import it.
func TestInterrupted_ManyByKill(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, profiles(manyProfiles))
	kept := p.hold(postProfile, early)
	first := w.Start(t, applyMany...)
	kept.wait(t, width)
	servertest.WaitUntil(t, w.waitUntilStateIsWritten)
	first.Signal(t, syscall.SIGKILL)
	first.Wait(t)
	p.setAnswers(nil)

	lost := count(t, s, "profiles") - len(w.State(t)) // OpenTofu saves from time to time, so all of them may be in the state
	out := w.Run(t, 1, applyMany...)
	blocks := importBlocks(out)
	if lost < width || len(blocks) != lost || strings.Count(out, "Error: ") != lost {
		t.Fatalf("%d lost, %d errors with %d import blocks\n%s", lost, strings.Count(out, "Error: "), len(blocks), out)
	}
	w.Write(t, "import.tf", joinBlocks(blocks))
	w.Run(t, 0, applyMany...)
	mustHaveMany(t, w, s)
}

// An apply goes on after a restart of the server that takes longer than all of max_retries.
func TestInterrupted_ServerRestarts(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, "provider \"certctl\" {\n  request_timeout = \"5m\"\n}\n"+profiles(manyProfiles)) // for a slow machine
	log := filepath.Join(t.TempDir(), "log")
	w.Env = append(w.Env, "TF_LOG_PROVIDER=DEBUG", "TF_LOG_PATH="+log)
	answers := p.hold(postProfile, early)
	apply := w.Start(t, applyMany...)
	answers.wait(t, width)
	p.stop()
	close(answers.open)
	servertest.WaitUntil(t, func() error {
		if lines, err := os.ReadFile(log); err != nil || !bytes.Contains(lines, []byte("attempt=6")) {
			return errors.New("no request was sent more than five times")
		}
		return nil
	})
	p.restart(t)
	if out, code := apply.Wait(t); code != 0 {
		t.Fatal(out)
	}
	mustHaveMany(t, w, s)
}

// waitUntilStateIsWritten waits until Terraform does not write the state file. A kill during that write could leave half a
// file, which this test does not cover.
func (w workspace) waitUntilStateIsWritten() error {
	info, err := os.Stat(filepath.Join(w.Dir, "terraform.tfstate"))
	if err == nil && time.Since(info.ModTime()) < time.Second {
		err = errors.New("terraform does not stop to write")
	}
	return err
}

// Two states have one profile. The apply of the older plan fails and undoes nothing.
func TestInterrupted_StalePlanOfAnotherWorkspace(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	ours := newWorkspace(t, s, s.URL, minimalProfile("CDN"))
	ours.Run(t, 0, terraformtest.Apply...)
	theirs := newWorkspace(t, s, s.URL, minimalProfile("CDN")+"import {\n  to = "+profileAddress+"\n  id = \"p-cdn\"\n}\n")
	theirs.Run(t, 0, terraformtest.Apply...)

	theirs.Configure(t, minimalProfile("theirs"))
	theirs.Run(t, 0, "plan", "-no-color", "-out=stale")
	ours.Configure(t, minimalProfile("ours"))
	ours.Run(t, 0, terraformtest.Apply...)
	mustSay(t, terraformtest.JoinLines(theirs.Run(t, 1, "apply", "-no-color", "stale")), "Could not update certificate profile p-cdn", "Somebody else changed the object")
	ours.ExpectNoChanges(t)

	theirs.Run(t, 0, "plan", "-no-color", "-out=fresh")
	theirs.Run(t, 0, "apply", "-no-color", "fresh")
	theirs.ExpectNoChanges(t)
}

// A certificate is issued between a plan and its apply. The apply keeps the planned values, and the next plan has the
// certificate.
func TestInterrupted_IssuedBetweenPlanAndApply(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, csr, www, ""))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, certificate(profile, csr, www, `labels = { team = "web" }`))
	w.Run(t, 0, "plan", "-no-color", "-out=labels")
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), newestApproval(t, s).ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	servertest.WaitUntil(t, func() error {
		c, err := s.Client(t, "vera").GetCertificate(t.Context(), "mc-www")
		if err == nil && c.Status != api.CertificateIssued {
			err = errors.New("the certificate is " + string(c.Status))
		}
		return err
	})
	w.Run(t, 0, "apply", "-no-color", "labels")
	w.ExpectNoChanges(t)
	w.Run(t, 0, "apply", "-no-color", "-refresh-only", "-auto-approve")
	if got := w.State(t)[certificateAddress].Values; got["status"] != "issued" || got["certificate_pem"] == nil {
		t.Errorf("the state has %v", got)
	}
}

// A renewal changes the key between a plan of a label and its apply. The apply is refused, and the new key stays.
func TestInterrupted_KeyReplacedBetweenPlanAndApply(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, old, replacement := s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t), servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, old, www, ""))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, certificate(profile, old, www, `labels = { team = "web" }`))
	w.Run(t, 0, "plan", "-no-color", "-out=labels")
	servertest.WaitUntil(t, func() error { // the first job may still be open
		j, err := s.Client(t, "olga").RenewCertificate(t.Context(), "mc-www", api.Renew{CSRPEM: replacement})
		if err == nil {
			s.WaitUntilFinalAsVera(t, j.ID)
		}
		return err
	})
	mustSay(t, terraformtest.JoinLines(w.Run(t, 1, "apply", "-no-color", "labels")), "Could not update certificate mc-www", "Somebody else changed the object")
	c, err := s.Client(t, "vera").GetCertificate(t.Context(), "mc-www")
	if err != nil || c.CSRPEM != replacement || len(c.Labels) != 0 || c.OpenJobID != nil {
		t.Errorf("%v: the key is the new one: %t, labels %v, job %v", err, c.CSRPEM == replacement, c.Labels, c.OpenJobID)
	}
}

// After Ctrl-C an apply that waits for a person ends with its state. The next apply waits for the same request.
func TestInterrupted_WhileWaitingForApproval(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, certificate(s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t), www, "wait_for_issuance = true"))
	waiting := w.Start(t, terraformtest.Apply...)
	servertest.WaitUntil(t, func() error {
		if p.count("GET /api/v1/certificates/mc-www") == 0 {
			return errors.New("it does not wait")
		}
		return nil
	})
	waiting.Interrupt(t)
	out, _ := waiting.Wait(t)
	a, kept := newestApproval(t, s), w.State(t)[certificateAddress]
	mustSay(t, terraformtest.JoinLines(out), "Warning: A certificate awaits approval", "Certificate mc-www awaits approval "+a.ID)
	if kept.Tainted || kept.Values["approval_id"] != a.ID || kept.Values["job_id"] != *a.JobID {
		t.Fatalf("the state has %+v\n%s", kept, out)
	}

	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	w.Run(t, 0, terraformtest.Apply...)
	got := w.State(t)[certificateAddress].Values
	if got["job_id"] != *a.JobID || got["status"] != "issued" || got["certificate_pem"] == nil {
		t.Errorf("the state has %v", got)
	}
	mustBeOne(t, "job", collect(t, s.Client(t, "alice").ListJobs, client.ListJobsOptions{CertificateID: "mc-www"}))
	w.ExpectNoChanges(t)
}

// After Ctrl-C a running write ends, and the state has its result.
func TestInterrupted_WhileWriting(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, minimalProfile("CDN"))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, minimalProfile("new"))
	kept := p.hold("PUT /api/v1/profiles/p-cdn", 0)
	writing := w.Start(t, terraformtest.Apply...)
	kept.wait(t, 1)
	writing.Interrupt(t)
	time.Sleep(2 * time.Second)
	close(kept.open)
	out, _ := writing.Wait(t)
	if name := w.State(t)[profileAddress].Values["name"]; name != "new" {
		t.Errorf("the state says %v\n%s", name, out)
	}
	w.ExpectNoChanges(t)
}

// collect returns all elements of a list.
func collect[T, O any](t *testing.T, list func(ctx context.Context, o O) iter.Seq2[T, error], o O) []T {
	t.Helper()
	all, err := client.Collect(list(t.Context(), o))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustBeOne[T any](t *testing.T, what string, all []T) {
	t.Helper()
	if len(all) != 1 {
		t.Errorf("there are %d of one %s: %v", len(all), what, all)
	}
}

func count(t *testing.T, s *servertest.Server, table string) (n int) {
	t.Helper()
	s.Query(t, &n, "SELECT count(*) FROM "+table)
	return n
}
