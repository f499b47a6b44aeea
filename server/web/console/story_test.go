package console_test

import (
	"net/http"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Two people in two browsers: one requests and cannot decide, the other approves what the page shows.
func TestStory_ASecondPersonApproves(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		job := s.RequestOlgasCertificate(t, "alice")
		request := "/approvals/" + *job.ApprovalID

		alice := newPerson(t, s, "alice")
		alice.requireStatus(alice.open(request), http.StatusOK)
		alice.require("You cannot decide it", "Two-person integrity: alice is excluded")

		bob := newBrowser(t, s)
		bob.requireStatus(bob.open(request), http.StatusOK) // the form of sign-in leads back
		bob.fill("#key", s.Key(t, "bob"))
		bob.requireStatus(bob.click("main button"), http.StatusOK)
		bob.require("I approve 1 name for")
		bob.fill("#note", "as discussed")
		bob.do(tick)
		bob.requireStatus(bob.click("button.approve"), http.StatusOK)
		bob.require("Approved by bob", "bob wrote", "as discussed")

		if j := s.WaitUntilFinalAsVera(t, job.ID); j.Status != api.JobCompleted {
			t.Fatalf("the job is %s: %s", j.Status, j.ErrorMessage)
		}
		alice.open(request)
		alice.require("Approved by bob", "The certificate was signed")
	})
}
