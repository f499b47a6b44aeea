// Command demo shows certctl on this machine, with a real server and real Terraform. A certificate under a gated profile
// waits. The requester cannot approve it; another person can. An edit of the profile waits as well. `make demo` builds
// and runs it.
//
// Every step checks its result. If a check fails, the demo ends with a non-zero exit code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	certctl := flag.String("certctl", "bin/certctl", "the server")
	provider := flag.String("provider", "bin/terraform-provider-certctl", "the Terraform provider")
	terraform := flag.String("terraform", "terraform", "Terraform or OpenTofu")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx, *certctl, *provider, *terraform, os.Getenv("KEEP") == "1")
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nTHE DEMO FAILED:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, certctl, provider, terraform string, keep bool) (err error) {
	began := time.Now()
	s, err := newStage(certctl, provider, terraform)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.showLog()
		}
		if err != nil || !keep {
			err = errors.Join(err, s.strike())
		}
	}()
	for i, step := range []struct {
		title string
		run   func(context.Context, *stage) error
	}{
		{"Create people, and a Terraform service that alice owns", people},
		{"List the only names that may be signed without approval: for development", ungatedNames},
		{"Start a server: SQLite and its own CA, without any setup", startServer},
		{"Terraform creates a gated certificate profile", gatedProfile},
		{"Alice makes a key and a CSR, and requests a certificate", ask},
		{"A plan shows the pending approval", planSees},
		{"A precondition stops the plan", planStops},
		{"Neither Alice nor the Terraform service can approve the request", samePerson},
		{"Alice makes a profile without a gate: the server refuses these names under it", ownProfile},
		{"Bob reads the request, and approves it", otherPerson},
		{"Verify the certificate: the CA signed what Bob saw", verify},
		{"The plan passes, and the apply makes the release", planPasses},
		{"Terraform turns the gate off: the edit waits", ungate},
		{"Applying again makes no second request", askAgain},
		{"Bob reads the edit, and rejects it", rejectEdit},
		{"The next apply names the decider and the note", rejectionSeen},
		{"Another edit, with the gate on, waits", widen},
		{"Bob approves the edit, and the next plan is empty", approveEdit},
		{"The metrics count every decision", metrics},
		{"Audrey, the auditor, reads the audit trail", auditTrail},
		{"Check production: the bypass approved nothing, and no key leaked", productionCheck},
	} {
		fmt.Fprintf(s.out, "\n== %d. %s\n", i+1, step.title)
		if err := step.run(ctx, s); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	if s.out.leaked {
		return errors.New("an API key was about to be printed")
	}
	fmt.Fprintf(s.out, "\nEvery step had the expected result, in %.1f s.\n", time.Since(began).Seconds())
	if !keep {
		return nil
	}
	if err := s.leaveRequest(ctx); err != nil {
		return fmt.Errorf("leave a request for the console: %w", err)
	}
	s.explain()
	s.openBrowser(ctx)
	return nil
}

// expect returns an error that names what should be true, unless it is.
func expect(ok bool, what string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("expected: %s", what)
}
