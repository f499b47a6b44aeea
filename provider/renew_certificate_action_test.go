package provider_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// invokeAction runs the action as Terraform 1.14 would, and returns its messages.
func invokeAction(t *testing.T, s *servertest.Server, certificate, reason string) string {
	t.Helper()
	ctx := t.Context()
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	schemas, err := w.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kind := schemas.ActionSchemas["certctl_renew_certificate"].Schema.ValueType()
	stream, err := w.ProviderServer.(tfprotov6.ActionServer).InvokeAction(ctx, &tfprotov6.InvokeActionRequest{
		ActionType: "certctl_renew_certificate",
		Config: newDynamicValue(t, kind, newObject(kind, map[string]tftypes.Value{
			"certificate_id": tftypes.NewValue(tftypes.String, certificate), "reason": tftypes.NewValue(tftypes.String, reason),
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for event := range stream.Events {
		switch e := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			fmt.Fprintln(&said, e.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			for _, d := range e.Diagnostics {
				fmt.Fprintf(&said, "%s: %s\n%s\n", d.Severity, d.Summary, d.Detail)
			}
		}
	}
	return said.String()
}

// The action follows a renewal without approval to its end. For a renewal that waits for a person it ends with the
// approval's id. It does not ask twice.
func TestRenewCertificateAction(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	says := func(certificate, want string) {
		t.Helper()
		if said := invokeAction(t, s, certificate, "rotation"); !regexp.MustCompile("(?s)" + want).MatchString(said) {
			t.Errorf("%s: %s", certificate, said)
		}
	}
	free, gated := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID), s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
	says(free.ID, `Job job-\S+ is Pending.*is Completed\n$`)
	says(gated.ID, `AwaitingApproval.*WARNING: A certificate awaits approval.*Certificate \S+ awaits approval ar-.*accountable: alice.*/approve"`)
	says(gated.ID, `is already open.*awaits approval ar-`)
	requests, err := client.Collect(s.Client(t, "bob").ListApprovals(t.Context(), client.ListApprovalsOptions{
		ApprovalFilter: client.ApprovalFilter{CertificateID: gated.ID},
	}))
	if err != nil || len(requests) != 1 || requests[0].Reason != "rotation" || requests[0].State != api.ApprovalPending {
		t.Errorf("%v, %+v", err, requests)
	}
	shorter := s.CreateProfileAsOlga(t, false)
	refused := s.CreateCertificateAsOlga(t, shorter.ID)
	shorter.AllowedDNSNames = []string{"other.example.com"}
	if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), shorter.ID, shorter.ProfileSpec); err != nil {
		t.Fatal(err)
	}
	says(refused.ID, `ERROR: Could not renew certificate \S+\n/sans/0: the DNS name .*Request id`)
	says("mc-absent", `ERROR: Could not renew certificate mc-absent`)
}
