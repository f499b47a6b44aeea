// Command demo tells what certctl is for, on this machine and with nothing faked: a certificate under a gated
// profile waits, the person who asked for it cannot approve it, another one can; an edit of the profile waits likewise.
// `make demo` builds and runs it.
//
// Every step says what it expects; one that goes another way ends the demo with a non-zero exit.
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
		{"People, and a Terraform service that alice owns", people},
		{"Only names for development may be signed without approval", ungatedNames},
		{"A server: SQLite and its own CA, nothing to set up", startServer},
		{"Terraform makes a gated certificate profile", gatedProfile},
		{"Alice makes a key and a CSR, and asks for a certificate", ask},
		{"Terraform sees what waits", planSees},
		{"A precondition stops the plan", planStops},
		{"Alice cannot approve it, nor can her service", samePerson},
		{"Alice makes a profile without a gate: these names are refused under it", ownProfile},
		{"Bob looks at it, and approves it", otherPerson},
		{"The certificate: what Bob saw, signed by the CA", verify},
		{"The plan passes, and the release is made", planPasses},
		{"Terraform turns the gate off: that waits, too", ungate},
		{"Asking again is not asking twice", askAgain},
		{"Bob looks at the edit, and rejects it", rejectEdit},
		{"The next apply says who rejected it, and why", rejectionSeen},
		{"Another edit, with the gate on, waits", widen},
		{"Bob approves it, and nothing is left to do", approveEdit},
		{"The metrics count every decision", metrics},
		{"The audit trail, as audrey the auditor reads it", auditTrail},
		{"The production check: nothing was bypassed, no key leaked", productionCheck},
	} {
		fmt.Fprintf(s.out, "\n== %d. %s\n", i+1, step.title)
		if err := step.run(ctx, s); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	if s.out.leaked {
		return errors.New("an API key was about to be printed")
	}
	fmt.Fprintf(s.out, "\nAll of it went as it should, in %.1f s.\n", time.Since(began).Seconds())
	if keep {
		s.explain()
	}
	return nil
}

// expect is an error that says what should have been true.
func expect(ok bool, what string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("expected: %s", what)
}
