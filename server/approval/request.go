package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

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
	Previous       *string  // the same request before, when that ended without a decision
	Excluded       []string // the people who may not decide, the accountable one among them
	Reason         string
	Subject        string
	Digest         string
}

// Request records what who asks for and lets it wait.
func (s *Service) Request(tx *store.Tx, who identity.Actor, r Request) (Approval, error) {
	a := Approval{
		ID: store.NewID("ar-"), Kind: r.Kind, State: api.ApprovalPending,
		ProfileID: r.ProfileID, ProfileName: r.ProfileName, CertificateID: r.CertificateID, CertificateUID: r.CertificateUID, JobID: r.JobID,
		RequestedBy: who.ID, Accountable: r.Accountable, Excluded: store.JSON[[]string]{V: r.Excluded},
		PreviousApprovalID: r.Previous, Reason: r.Reason, Subject: r.Subject, Digest: r.Digest,
		ExpiresAt: tx.Now.Add(s.timeout), CreatedAt: tx.Now, UpdatedAt: tx.Now,
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
	return a, record(tx, who, "approval_requested", a, audit.Details{"reason": a.Reason, "digest": a.Digest})
}

func record(tx *store.Tx, who identity.Actor, action string, a Approval, details audit.Details) error {
	return audit.Append(tx, audit.Event{
		Actor: who, Action: action, ResourceType: "approval", ResourceID: a.ID, Details: details,
	})
}

// Canonical is a subject as RFC 8785 JSON, and its digest: sha256: and the SHA-256 over that text in hexadecimal.
func Canonical(subject any) (text, digest string, err error) {
	encoded, err := json.Marshal(subject)
	if err != nil {
		return "", "", fmt.Errorf("encode the subject: %w", err)
	}
	canonical := jsontext.Value(encoded)
	if err := canonical.Canonicalize(); err != nil {
		return "", "", fmt.Errorf("canonical JSON: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return string(canonical), "sha256:" + hex.EncodeToString(sum[:]), nil
}
