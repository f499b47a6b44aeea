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

// waitingSpec is an edit that waits, as it was sent: the approval's subject has its sets sorted, and has neither
// description nor labels. Base is the profile that it was sent for.
type waitingSpec struct {
	ApprovalID string `gorm:"primaryKey"`
	Number     int64  `gorm:"primaryKey;autoIncrement:false"` // the highest number counts
	Spec       store.JSON[api.ProfileSpec]
	Base       store.JSON[api.ProfileSpec]
}

// TableName implements gorm's Tabler.
func (waitingSpec) TableName() string { return "profile_edits" }

func findWaitingSpec(tx *store.Tx, approvalID string) (waitingSpec, bool, error) {
	var e waitingSpec
	found, err := tx.Find(&e, "SELECT * FROM profile_edits WHERE approval_id = ? ORDER BY number DESC LIMIT 1", approvalID)
	if err != nil {
		err = fmt.Errorf("look up the edit of approval %s: %w", approvalID, err)
	}
	return e, found, err
}

// storeWaitingEdit stores an edit that waits. It replaces the one with a lower number.
func storeWaitingEdit(tx *store.Tx, approvalID string, number int64, spec, base api.ProfileSpec) error {
	row := waitingSpec{ApprovalID: approvalID, Number: number, Spec: store.JSON[api.ProfileSpec]{V: spec}, Base: store.JSON[api.ProfileSpec]{V: base}}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("store the edit of approval %s: %w", approvalID, err)
	}
	return nil
}

func readSubject(a approval.Approval) (api.EditSubject, error) {
	var s api.EditSubject
	if err := json.Unmarshal([]byte(a.Subject), &s); err != nil {
		return s, fmt.Errorf("read the subject of approval %s: %w", a.ID, err)
	}
	return s, nil
}

// Lock implements approval.Kind. An edit applies only to the rules that it was based on.
func (k Kind) Lock(tx *store.Tx, a approval.Approval) error {
	_, _, err := k.lockAndCompare(tx, a)
	return err
}

// lockAndCompare locks the profile and returns it with the edit to store. If the edit is not what was approved, or no
// longer fits the profile, it returns approval.ErrSubjectChanged.
func (k Kind) lockAndCompare(tx *store.Tx, a approval.Approval) (Profile, api.ProfileSpec, error) {
	approved, err := readSubject(a)
	if err != nil {
		return Profile{}, api.ProfileSpec{}, err
	}
	p, err := get(tx, approved.ProfileID, tx.Locking("FOR UPDATE"))
	if err != nil {
		return p, api.ProfileSpec{}, asSubjectChanged(err)
	}
	e, found, err := findWaitingSpec(tx, a.ID)
	if err != nil {
		return p, api.ProfileSpec{}, err
	}
	if !found || p.RulesVersion != approved.BaseVersion ||
		!SameRules(e.Spec.V, approved.After.Spec()) || !SameRules(p.Spec.V, approved.Before.Spec()) {
		return p, api.ProfileSpec{}, approval.ErrSubjectChanged
	}
	edit := Edit{Spec: keepNotes(e.Spec.V, e.Base.V, p.Spec.V)}
	return p, edit.Spec, asSubjectChanged(k.Service.checkEdit(tx, p, edit))
}

// asSubjectChanged returns approval.ErrSubjectChanged for a refusal: the profile, or something it refers to, changed.
func asSubjectChanged(err error) error {
	var refusal *api.Problem
	if errors.As(err, &refusal) {
		return approval.ErrSubjectChanged
	}
	return err
}

// Approve implements approval.Kind: it stores the edit.
func (k Kind) Approve(tx *store.Tx, a approval.Approval) error {
	p, spec, err := k.lockAndCompare(tx, a)
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

// Close implements approval.Kind. A waiting edit changed nothing, so there is nothing to undo.
func (k Kind) Close(*store.Tx, approval.Approval, api.Cause) error { return nil }
