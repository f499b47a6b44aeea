package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

const rejectionNote = "customers reach the shop, so its gate stays on: SECOPS-12346"

func ungate(ctx context.Context, s *stage) error {
	if err := s.edit("main.tf", "requires_approval = true", "requires_approval = false"); err != nil {
		return err
	}
	if err := s.applyWaits(ctx); err != nil {
		return err
	}
	state, err := s.terraformGrep(ctx, "requires_approval", 0, "show")
	if err != nil {
		return err
	}
	profile, err := s.as("alice").GetProfile(ctx, s.profileID)
	if err != nil {
		return err
	}
	s.show(profile, "requires_approval", "version", "pending_approval_id")
	return errors.Join(
		expect(words(state, "requires_approval = true"), "the state keeps the gate on"),
		expect(profile.RequiresApproval && profile.Version == 1, "the profile is unchanged"),
		expect(profile.PendingApprovalID != nil && *profile.PendingApprovalID == s.editID, "the profile names the approval"),
	)
}

func askAgain(ctx context.Context, s *stage) error {
	first := s.editID
	out, err := s.terraformGrep(ctx, "Error", 1, "apply", "-input=false", "-auto-approve")
	if err != nil {
		return err
	}
	if err := expect(words(out, "Awaiting approval "+first), "the error names the same approval"); err != nil {
		return err
	}
	if err := s.findEdit(ctx); err != nil {
		return err
	}
	return expect(s.editID == first, "it is the same approval")
}

func rejectEdit(ctx context.Context, s *stage) error {
	approval, err := s.lookAtEdit(ctx, "requires_approval")
	if err != nil {
		return err
	}
	approval, err = s.as("bob").RejectApproval(ctx, s.editID, api.Decision{Note: rejectionNote, Digest: approval.Digest})
	if err != nil {
		return err
	}
	s.show(approval, "id", "state", "decided_by", "note")
	return expect(approval.State == api.ApprovalRejected && *approval.DecidedBy == "bob", "bob rejected")
}

func rejectionSeen(ctx context.Context, s *stage) error {
	out, err := s.terraform(ctx, 1, "apply", "-input=false", "-auto-approve")
	if err != nil {
		return err
	}
	return errors.Join(
		expect(words(out, "bob rejected this edit (approval "+s.editID+")"), "the error says that bob rejected it"),
		expect(words(out, rejectionNote), "the error gives the note of bob"),
	)
}

func widen(ctx context.Context, s *stage) error {
	if err := s.edit("main.tf",
		"requires_approval = false", "requires_approval = true",
		`"shop.example.com"]`, `"shop.example.com", "shop.example.net"]`,
	); err != nil {
		return err
	}
	s.rejectedID = s.editID
	if err := s.applyWaits(ctx); err != nil {
		return err
	}
	values, err := s.scrape(ctx, "certctl_approvals_pending")
	if err != nil {
		return err
	}
	return errors.Join(
		expect(s.editID != s.rejectedID, "it is another approval"),
		expect(values[s.ofProfile("certctl_approvals_pending")] == "1", "one approval waits"),
	)
}

func approveEdit(ctx context.Context, s *stage) error {
	approval, err := s.lookAtEdit(ctx, "allowed_dns_names")
	if err != nil {
		return err
	}
	approval, err = s.as("bob").ApproveApproval(ctx, s.editID, api.Decision{Note: "the shop owns the name: SECOPS-12347", Digest: approval.Digest})
	if err != nil {
		return err
	}
	s.show(approval, "id", "state", "decided_by", "note")
	if err := expect(approval.State == api.ApprovalApproved && *approval.DecidedBy == "bob", "bob approved"); err != nil {
		return err
	}
	profile, err := s.as("bob").GetProfile(ctx, s.profileID)
	if err != nil {
		return err
	}
	s.show(profile, "requires_approval", "allowed_dns_names", "version", "pending_approval_id")
	_, err = s.terraform(ctx, 0, "plan", "-input=false", "-detailed-exitcode") // 2 would mean changes
	return errors.Join(err,
		expect(profile.RequiresApproval && slices.Contains(profile.AllowedDNSNames, "shop.example.net"), "the edit is applied, the gate on"),
		expect(profile.Version == 2 && profile.PendingApprovalID == nil, "one change, and nothing waits"),
	)
}

// applyWaits runs an apply. The apply must fail, with an error that names the approval of the edit.
func (s *stage) applyWaits(ctx context.Context) error {
	out, err := s.terraform(ctx, 1, "apply", "-input=false", "-auto-approve")
	if err != nil {
		return err
	}
	if err := s.findEdit(ctx); err != nil {
		return err
	}
	return expect(words(out, "Awaiting approval "+s.editID), "the error names the approval")
}

// findEdit finds the one pending edit.
func (s *stage) findEdit(ctx context.Context) error {
	waiting, err := client.Collect(s.as("bob").ListApprovals(ctx, client.ListApprovalsOptions{
		ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}, ProfileID: s.profileID},
	}))
	if err != nil {
		return err
	}
	for _, a := range waiting {
		s.show(a, "id", "kind", "state")
	}
	if err := expect(len(waiting) == 1 && waiting[0].Kind == api.ApprovalProfileEdit, "one edit waits, and nothing else"); err != nil {
		return err
	}
	s.editID = waiting[0].ID
	return nil
}

// lookAtEdit reads the pending edit as bob. The edit must change that field and no other.
func (s *stage) lookAtEdit(ctx context.Context, field string) (api.Approval, error) {
	approval, err := s.as("bob").GetApproval(ctx, s.editID)
	if err != nil {
		return api.Approval{}, err
	}
	s.show(approval, "id", "kind", "state", "requested_by", "accountable")
	var subject struct{ Before, After map[string]json.RawMessage }
	if err := json.Unmarshal(approval.Subject, &subject); err != nil {
		return api.Approval{}, err
	}
	s.say("  subject: %d fields before and after, of which these differ:", len(subject.After))
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(subject.After)) {
		before, after := subject.Before[name], subject.After[name]
		if !bytes.Equal(before, after) {
			changed = append(changed, name)
			s.say("    %s: %s -> %s", name, before, after)
		}
	}
	digest, err := digest(approval.Subject)
	return approval, errors.Join(err,
		expect(digest == approval.Digest, "the digest is that of the subject"),
		expect(slices.Equal(changed, []string{field}), "the edit changes "+field+" only"),
		expect(approval.RequestedBy == "terraform" && approval.Accountable == "alice", "alice's service asked for it"),
	)
}

// ofProfile is the name of a metric's series for the profile.
func (s *stage) ofProfile(metric string, labels ...string) string {
	return fmt.Sprintf("%s{%s}", metric, strings.Join(append(labels, fmt.Sprintf("profile_id=%q", s.profileID)), ","))
}

// words says whether the words follow each other in a text, across line breaks of Terraform.
func words(text, wanted string) bool {
	return strings.Contains(strings.Join(strings.Fields(text), " "), wanted)
}
