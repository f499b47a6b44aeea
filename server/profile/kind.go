package profile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Kind is the approval of one edit of a gated profile.
type Kind struct{ Service *Service }

var _ approval.Kind = Kind{}

// edited is an edit that waits, as it was sent: the approval's subject has its sets sorted, and neither description
// nor labels. Base is the profile that it was sent for.
type edited struct {
	ApprovalID string `gorm:"primaryKey"`
	Number     int64  `gorm:"primaryKey;autoIncrement:false"` // the highest one counts
	Spec       store.JSON[api.ProfileSpec]
	Base       store.JSON[api.ProfileSpec]
}

// TableName implements gorm's Tabler.
func (edited) TableName() string { return "profile_edits" }

// findEdited finds the edit that an approval is about.
func findEdited(tx *store.Tx, approvalID string) (edited, bool, error) {
	var e edited
	found, err := tx.Find(&e, "SELECT * FROM profile_edits WHERE approval_id = ? ORDER BY number DESC LIMIT 1", approvalID)
	if err != nil {
		err = fmt.Errorf("look up the edit of approval %s: %w", approvalID, err)
	}
	return e, found, err
}

// storeEdited stores an edit that waits. It replaces the one with a lower number.
func storeEdited(tx *store.Tx, approvalID string, number int64, spec, base api.ProfileSpec) error {
	row := edited{ApprovalID: approvalID, Number: number, Spec: store.JSON[api.ProfileSpec]{V: spec}, Base: store.JSON[api.ProfileSpec]{V: base}}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("store the edit of approval %s: %w", approvalID, err)
	}
	return nil
}

// Stands implements approval.Kind: an edit applies only to the rules that it was based on.
func (k Kind) Stands(tx *store.Tx, a approval.Approval) error {
	_, _, err := k.standing(tx, a)
	return err
}

// standing locks the profile and gives it and what it is to become.
func (k Kind) standing(tx *store.Tx, a approval.Approval) (Profile, api.ProfileSpec, error) {
	var approved subject
	if err := json.Unmarshal([]byte(a.Subject), &approved); err != nil {
		return Profile{}, api.ProfileSpec{}, fmt.Errorf("read the subject of approval %s: %w", a.ID, err)
	}
	p, err := get(tx, a.ProfileID, tx.Locking("FOR UPDATE"))
	if err != nil {
		return p, api.ProfileSpec{}, changed(err)
	}
	e, found, err := findEdited(tx, a.ID)
	if err != nil {
		return p, api.ProfileSpec{}, err
	}
	if !found || p.RulesVersion != approved.BaseVersion ||
		!SameRules(e.Spec.V, approved.After.ProfileSpec) || !SameRules(p.Spec.V, approved.Before.ProfileSpec) {
		return p, api.ProfileSpec{}, approval.ErrSubjectChanged
	}
	edit := Edit{Spec: keepNotes(e.Spec.V, e.Base.V, p.Spec.V)}
	return p, edit.Spec, changed(k.Service.allows(tx, p, edit))
}

// changed makes of a refusal what it means here: the profile, or the world around it, is another.
func changed(err error) error {
	var refusal *api.Problem
	if errors.As(err, &refusal) {
		return approval.ErrSubjectChanged
	}
	return err
}

// Approved implements approval.Kind.
func (k Kind) Approved(tx *store.Tx, a approval.Approval) error {
	p, spec, err := k.standing(tx, a)
	if err != nil {
		return err
	}
	author := history.Author{Principal: a.RequestedBy, Accountable: a.Accountable}
	if a.Decider().Kind == identity.Human {
		author.ApprovedBy = a.DecidedBy
	}
	_, err = k.Service.apply(tx, a.Decider(), author, p, spec)
	return err
}

// Closed implements approval.Kind. Nothing was done that had to be undone.
func (k Kind) Closed(*store.Tx, approval.Approval, api.Cause) error { return nil }
