package approval

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Request is what someone asks to have approved. Subject is everything the decision will cover, as RFC 8785
// JSON, and Digest is over it.
type Request struct {
	Kind          api.ApprovalKind
	ProfileID     string
	ProfileName   string
	CertificateID *string
	// CertificateUID is the certificate's own for ever; its id may become another's.
	CertificateUID *string
	JobID          *string
	Accountable    string
	Excluded       []string  // the people who may not decide, the accountable one among them
	AlsoExcluded   []string  // those of them that the requester named
	StandsFor      []string  // the authors whom the requester stands for
	Previous       *Approval // what became of an earlier request; nil if there was none
	Rejections     []api.Rejection
	Names          []string // by which later requests find its rejection
	Context        *api.IssuanceContext
	Reason         string
	Subject        string
	Digest         string
}

// Request records what who asks for and lets it wait.
func (s *Service) Request(tx *store.Tx, who identity.Actor, r Request) (Approval, error) {
	a := Approval{
		ID: store.NewID("ar-"), Kind: r.Kind, State: api.ApprovalPending,
		ProfileID: r.ProfileID, ProfileName: r.ProfileName, CertificateID: r.CertificateID, CertificateUID: r.CertificateUID, JobID: r.JobID,
		RequestedBy: who.ID, Accountable: r.Accountable, Excluded: list(r.Excluded), AlsoExcluded: list(r.AlsoExcluded), StandsFor: list(r.StandsFor),
		Rejections: list(r.Rejections), Context: store.Nullable(r.Context), CSRIgnored: list[api.Ignored](nil),
		Reason: r.Reason, Subject: r.Subject, Digest: r.Digest, ExpiresAt: tx.Now.Add(s.timeout), CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if p := r.Previous; p != nil {
		a.PreviousApprovalID = &p.ID
		a.Previous = &store.JSON[api.PreviousRequest]{V: api.PreviousRequest{State: p.State, DecidedBy: p.DecidedBy, DecidedAt: p.DecidedAt, Note: p.Note}}
	}
	if _, err := s.kind(a); err != nil {
		return Approval{}, err
	}
	if err := principal.MustStand(tx, a.Accountable); err != nil {
		return Approval{}, err
	}
	if err := tx.DB.Create(&a).Error; err != nil {
		return Approval{}, fmt.Errorf("store the approval: %w", err)
	}
	if err := storeNames(tx, a.ID, r.Names); err != nil {
		return Approval{}, err
	}
	return a, record(tx, who, "approval_requested", a, requestDetails(a))
}

// list is a list as it is stored: never null.
func list[T any](of []T) store.JSON[[]T] {
	if of == nil {
		of = []T{}
	}
	return store.JSON[[]T]{V: of}
}

// requestDetails name what the next approver must know: who was taken out of the decision or back into it, and what
// was rejected before.
func requestDetails(a Approval) audit.Details {
	details := audit.Details{"reason": a.Reason, "digest": a.Digest, "excluded": a.Excluded.V}
	if len(a.AlsoExcluded.V) > 0 {
		details["also_excluded"] = a.AlsoExcluded.V
	}
	if len(a.StandsFor.V) > 0 {
		details["stands_for"] = a.StandsFor.V
	}
	if len(a.Rejections.V) > 0 {
		rejected := make([]string, len(a.Rejections.V))
		for i, r := range a.Rejections.V {
			rejected[i] = r.ApprovalID
		}
		details["rejected_before"] = rejected
	}
	return details
}

// name is a row of approval_names.
type name struct{ ApprovalID, Name string }

// TableName implements gorm's Tabler.
func (name) TableName() string { return "approval_names" }

func storeNames(tx *store.Tx, approvalID string, names []string) error {
	rows := make([]name, len(names))
	for i, n := range names {
		rows[i] = name{approvalID, n}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.DB.Create(&rows).Error; err != nil {
		return fmt.Errorf("store the names of approval %s: %w", approvalID, err)
	}
	return nil
}

func record(tx *store.Tx, who identity.Actor, action string, a Approval, details audit.Details) error {
	return audit.Append(tx, audit.Event{
		Actor: who, Action: action, ResourceType: "approval", ResourceID: a.ID, Details: details,
	})
}
