package provider_test

import (
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
	"github.com/certctl/terraform-provider-certctl/provider/terraformtest"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const (
	postProfile     = "POST /api/v1/profiles"
	postCertificate = "POST /api/v1/certificates?issue=true"
)

// made is something that one POST makes.
type made struct{ address, post, configuration string }

func makings(t *testing.T, s *servertest.Server) map[string]made {
	t.Helper()
	return map[string]made{
		"profile":     {profileAddress, postProfile, minimal("CDN")},
		"certificate": {certificateAddress, postCertificate, certificate(s.Profile(t, true).ID, servertest.CSR(t), www, "")},
	}
}

// once fails unless the server has each thing one time.
func (m made) once(t *testing.T, s *servertest.Server) {
	t.Helper()
	alice := s.Client(t, "alice")
	if m.post == postProfile {
		one(t, "profile", where(t, alice.ListProfiles, client.ListProfilesOptions{Name: "CDN"}))
		return
	}
	one(t, "certificate", where(t, alice.ListCertificates, client.ListCertificatesOptions{}))
	one(t, "approval", where(t, alice.ListApprovals, client.ListApprovalsOptions{}))
	one(t, "job", where(t, alice.ListJobs, client.ListJobsOptions{CertificateID: "mc-www"}))
}

// Killed after the server made something and before the state says so: the next apply makes no second one and adopts
// nothing. What its error says to paste brings the thing into the state.
func TestInterrupted_KilledBeforeTheAnswer(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	for name, m := range makings(t, s) {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s)
			w := newWorkspace(t, s, p.URL, m.configuration)
			kept := p.hold(m.post, 0)
			first := w.Start(t, terraformtest.Apply...)
			kept.wait(t, 1)
			first.Signal(t, syscall.SIGKILL)
			first.Wait(t)
			p.then(nil)

			out := w.Run(t, 1, terraformtest.Apply...)
			says(t, terraformtest.Prose(out), "Could not create", "already", "Nothing was adopted")
			blocks := imports(out)
			if len(blocks) != 1 || blocks[m.address] == "" {
				t.Fatalf("what is there to paste? %v\n%s", blocks, out)
			}
			w.Write(t, "import.tf", blocks[m.address])
			w.Run(t, 0, terraformtest.Apply...)
			w.Settled(t)
			m.once(t, s)
		})
	}
}

// The connection breaks after the server did its work: asked again, it gives the same answer.
func TestInterrupted_AnswerLost(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	for name, m := range makings(t, s) {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, s)
			w := newWorkspace(t, s, p.URL, m.configuration)
			p.then(func(r *http.Request, nth int) error {
				if r.Method == http.MethodPost && nth == 1 {
					return errors.New("the answer is lost")
				}
				return nil
			})
			w.Run(t, 0, terraformtest.Apply...)
			if n := p.count(m.post); n != 2 {
				t.Errorf("it was asked %d times", n)
			}
			w.Settled(t)
			m.once(t, s)
		})
	}
}

const (
	many  = 60
	early = 10 // profiles whose answers arrive before the interruption
	width = 15 // requests at once
)

// profiles is a configuration of as many.
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

// hasMany fails unless each profile exists once, in the state and on the server, and nothing is left to do.
func hasMany(t *testing.T, w workspace, s *servertest.Server) {
	t.Helper()
	w.Settled(t)
	names := map[string]bool{}
	for _, p := range where(t, s.Client(t, "alice").ListProfiles, client.ListProfilesOptions{Page: client.Page{Limit: 500}}) {
		names[p.Name] = true
	}
	if n := count(t, s, "profiles"); n != many || len(names) != many {
		t.Errorf("the server has %d profiles of %d names", n, len(names))
	}
	if n := len(w.State(t)); n != many {
		t.Errorf("the state has %d profiles", n)
	}
}

// Ctrl-C in the middle of many writes: those that are under way end and are in the state, and the next apply makes the
// others.
func TestInterrupted_ManyByCtrlC(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, profiles(many))
	kept := p.hold(postProfile, early)
	first := w.Start(t, applyMany...)
	kept.wait(t, width)
	first.Interrupt(t)
	close(kept.open)
	out, _ := first.Wait(t)
	if known, there := len(w.State(t)), count(t, s, "profiles"); known != there || there < early+width || there == many {
		t.Fatalf("%d profiles in the state, %d on the server\n%s", known, there, out)
	}
	w.Run(t, 0, applyMany...)
	hasMany(t, w, s)
}

// Killed in the middle of many writes: the next apply makes what is not there, and says of each that is there, but not
// in the state, how to import it.
func TestInterrupted_ManyByKill(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, profiles(many))
	kept := p.hold(postProfile, early)
	first := w.Start(t, applyMany...)
	kept.wait(t, width)
	servertest.Eventually(t, w.quiet)
	first.Signal(t, syscall.SIGKILL)
	first.Wait(t)
	p.then(nil)

	lost := count(t, s, "profiles") - len(w.State(t)) // by OpenTofu, which saves now and then, all of them
	out := w.Run(t, 1, applyMany...)
	blocks := imports(out)
	if lost < width || len(blocks) != lost || strings.Count(out, "Error: ") != lost {
		t.Fatalf("%d lost, %d errors with %d import blocks\n%s", lost, strings.Count(out, "Error: "), len(blocks), out)
	}
	w.Write(t, "import.tf", joined(blocks))
	w.Run(t, 0, applyMany...)
	hasMany(t, w, s)
}

// quiet says that terraform does not write the state's file. Killed at that it may leave half of it, which is not what is
// tested here.
func (w workspace) quiet() error {
	info, err := os.Stat(filepath.Join(w.Dir, "terraform.tfstate"))
	if err == nil && time.Since(info.ModTime()) < time.Second {
		err = errors.New("terraform does not stop to write")
	}
	return err
}

// Two states hold one profile. The plan that was made before the other's apply says so and undoes nothing.
func TestInterrupted_StalePlanOfAnotherWorkspace(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	ours := newWorkspace(t, s, s.URL, minimal("CDN"))
	ours.Run(t, 0, terraformtest.Apply...)
	theirs := newWorkspace(t, s, s.URL, minimal("CDN")+"import {\n  to = "+profileAddress+"\n  id = \"p-cdn\"\n}\n")
	theirs.Run(t, 0, terraformtest.Apply...)

	theirs.Configure(t, minimal("theirs"))
	theirs.Run(t, 0, "plan", "-no-color", "-out=stale")
	ours.Configure(t, minimal("ours"))
	ours.Run(t, 0, terraformtest.Apply...)
	says(t, terraformtest.Prose(theirs.Run(t, 1, "apply", "-no-color", "stale")), "Could not update certificate profile p-cdn", "Somebody else changed the object")
	ours.Settled(t)

	theirs.Run(t, 0, "plan", "-no-color", "-out=fresh")
	theirs.Run(t, 0, "apply", "-no-color", "fresh")
	theirs.Settled(t)
}

// A certificate is issued between a plan of something else and its apply: the apply does what it said, and the next plan
// has the certificate.
func TestInterrupted_IssuedBetweenPlanAndApply(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.Profile(t, true).ID, servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, csr, www, ""))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, certificate(profile, csr, www, `labels = { team = "web" }`))
	w.Run(t, 0, "plan", "-no-color", "-out=labels")
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), newest(t, s).ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, func() error {
		c, err := s.Client(t, "vera").GetCertificate(t.Context(), "mc-www")
		if err == nil && c.Status != api.CertificateIssued {
			err = errors.New("the certificate is " + string(c.Status))
		}
		return err
	})
	w.Run(t, 0, "apply", "-no-color", "labels")
	w.Settled(t)
	w.Run(t, 0, "apply", "-no-color", "-refresh-only", "-auto-approve")
	if got := w.State(t)[certificateAddress].Values; got["status"] != "issued" || got["certificate_pem"] == nil {
		t.Errorf("the state has %v", got)
	}
}

// A renewal brings another key between a plan of a label and its apply: the plan is refused, and the new key stays.
func TestInterrupted_KeyReplacedBetweenPlanAndApply(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, old, replacement := s.Profile(t, false).ID, servertest.CSR(t), servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, old, www, ""))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, certificate(profile, old, www, `labels = { team = "web" }`))
	w.Run(t, 0, "plan", "-no-color", "-out=labels")
	servertest.Eventually(t, func() error { // the first job may still be open
		j, err := s.Client(t, "olga").RenewCertificate(t.Context(), "mc-www", api.Renew{CSRPEM: replacement})
		if err == nil {
			s.Ended(t, j.ID)
		}
		return err
	})
	says(t, terraformtest.Prose(w.Run(t, 1, "apply", "-no-color", "labels")), "Could not update certificate mc-www", "Somebody else changed the object")
	c, err := s.Client(t, "vera").GetCertificate(t.Context(), "mc-www")
	if err != nil || c.CSRPEM != replacement || len(c.Labels) != 0 || c.OpenJobID != nil {
		t.Errorf("%v: the key is the new one: %t, labels %v, job %v", err, c.CSRPEM == replacement, c.Labels, c.OpenJobID)
	}
}

// Ctrl-C while an apply waits for a person: it ends with what it has, and the next one waits for the same request.
func TestInterrupted_WhileWaitingForApproval(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, certificate(s.Profile(t, true).ID, servertest.CSR(t), www, "wait_for_issuance = true"))
	waiting := w.Start(t, terraformtest.Apply...)
	servertest.Eventually(t, func() error {
		if p.count("GET /api/v1/certificates/mc-www") == 0 {
			return errors.New("it does not wait")
		}
		return nil
	})
	waiting.Interrupt(t)
	out, _ := waiting.Wait(t)
	a, kept := newest(t, s), w.State(t)[certificateAddress]
	says(t, terraformtest.Prose(out), "Warning: Certificate mc-www awaits approval "+a.ID)
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
	one(t, "job", where(t, s.Client(t, "alice").ListJobs, client.ListJobsOptions{CertificateID: "mc-www"}))
	w.Settled(t)
}

// Ctrl-C while a write is under way: it runs to its end, and the state has what was written.
func TestInterrupted_WhileWriting(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	s := servertest.New(t)
	p := newProxy(t, s)
	w := newWorkspace(t, s, p.URL, minimal("CDN"))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, minimal("new"))
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
	w.Settled(t)
}

// where is all of a list.
func where[T, O any](t *testing.T, list func(ctx context.Context, o O) iter.Seq2[T, error], o O) []T {
	t.Helper()
	all, err := client.Collect(list(t.Context(), o))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func one[T any](t *testing.T, what string, all []T) {
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
