package approval

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Request is what someone asks to have approved. Every request needs Kind, Accountable, Excluded, Subject and Digest. A
// kind says in its Lock what else it needs.
type Request struct {
	Kind           api.ApprovalKind
	ProfileID      *string
	ProfileName    string
	CertificateID  *string
	CertificateUID *string // is never reused; an archived certificate's id may be
	JobID          *string
	Accountable    string
	Excluded       []string  // the people who may not decide, the accountable one among them
	AlsoExcluded   []string  // the part of Excluded that the requester named
	StandsFor      []string  // the authors whose changes the requester takes over
	Previous       *Approval // an earlier request; nil if there was none
	Rejections     []api.Rejection
	Names          []string // later requests find this one's rejection by these names
	Context        *api.IssuanceContext
	CSRIgnored     []api.Ignored
	Effects        *api.EditEffects // of an edit
	Reason         string
	Subject        string // everything the decision covers, as RFC 8785 JSON
	Digest         string // of Subject
}

// Open stores a request and then what waits for it, in one transaction. create makes what waits and refers to the
// approval by its id. If the bypass is on, Open approves the request at once.
func (s *Service) Open(tx *store.Tx, who identity.Actor, r Request, create func(Approval) error) (Approval, error) {
	a, err := s.storeRequest(tx, who, r)
	if err != nil {
		return Approval{}, err
	}
	if err := create(a); err != nil {
		return Approval{}, err
	}
	if s.bypass {
		return s.bypassApproval(tx, a)
	}
	return a, AppendMessage(tx, a, outbox.ApprovalRequested, nil)
}

func (s *Service) storeRequest(tx *store.Tx, who identity.Actor, r Request) (Approval, error) {
	a := s.newApproval(tx, who, r)
	if _, err := s.kindOf(a); err != nil {
		return Approval{}, err
	}
	if err := principal.RequireEnabled(tx, a.Accountable); err != nil {
		return Approval{}, err
	}
	if err := tx.DB.Create(&a).Error; err != nil {
		return Approval{}, fmt.Errorf("store the approval: %w", err)
	}
	if err := storeNames(tx, a.ID, r.Names); err != nil {
		return Approval{}, err
	}
	var err error
	if a.Undecidable, err = isUndecidable(tx, a.ID); err != nil {
		return Approval{}, err
	}
	return a, appendAudit(tx, who, "approval_requested", a, requestDetails(a))
}

func (s *Service) newApproval(tx *store.Tx, who identity.Actor, r Request) Approval {
	a := Approval{
		ID: store.NewID("ar-"), Kind: r.Kind, State: api.ApprovalPending,
		ProfileID: r.ProfileID, ProfileName: r.ProfileName, CertificateID: r.CertificateID, CertificateUID: r.CertificateUID, JobID: r.JobID,
		RequestedBy: who.ID, Accountable: r.Accountable,
		Excluded: jsonList(r.Excluded), AlsoExcluded: jsonList(r.AlsoExcluded), StandsFor: jsonList(r.StandsFor),
		Rejections: jsonList(r.Rejections), Context: store.Nullable(r.Context), Effects: store.Nullable(r.Effects), CSRIgnored: jsonList(r.CSRIgnored),
		Reason: r.Reason, Subject: r.Subject, Digest: r.Digest, ExpiresAt: tx.Now.Add(s.timeout), CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if p := r.Previous; p != nil {
		a.PreviousApprovalID = &p.ID
		a.Previous = &store.JSON[api.PreviousRequest]{V: api.PreviousRequest{State: p.State, DecidedBy: p.DecidedBy, DecidedAt: p.DecidedAt, Note: p.Note}}
	}
	return a
}

// jsonList returns a list as a column holds it: never null.
func jsonList[T any](list []T) store.JSON[[]T] {
	if list == nil {
		list = []T{}
	}
	return store.JSON[[]T]{V: list}
}

// requestDetails are the details of the audit row: who was excluded and why, and earlier rejections.
func requestDetails(a Approval) audit.Details {
	details := audit.Details{"reason": a.Reason, "digest": a.Digest, "excluded": a.Excluded.V}
	if len(a.AlsoExcluded.V) > 0 {
		details["also_excluded"] = a.AlsoExcluded.V
	}
	if len(a.StandsFor.V) > 0 {
		details["stands_for"] = a.StandsFor.V
	}
	if n := len(a.CSRIgnored.V); n > 0 {
		details["csr_ignored"] = n
	}
	if len(a.Rejections.V) > 0 {
		rejected := make([]string, len(a.Rejections.V))
		for i, r := range a.Rejections.V {
			rejected[i] = r.ApprovalID
		}
		details["rejected_before"] = rejected
	}
	if a.Undecidable {
		details["undecidable"] = true
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

func appendAudit(tx *store.Tx, who identity.Actor, action string, a Approval, details audit.Details) error {
	return audit.Append(tx, audit.Event{
		Actor: who, Action: action, ResourceType: "approval", ResourceID: a.ID, Details: details,
	})
}
