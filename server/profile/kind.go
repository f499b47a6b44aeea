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

// edited is an edit that waits, as it was sent: the approval's subject has its sets sorted.
type edited struct {
	ApprovalID string `gorm:"primaryKey"`
	Spec       store.JSON[api.ProfileSpec]
}

// TableName implements gorm's Tabler.
func (edited) TableName() string { return "profile_edits" }

// Stands implements approval.Kind: an edit applies only to the version that it was based on.
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
	var e edited
	found, err := tx.Find(&e, "SELECT * FROM profile_edits WHERE approval_id = ?", a.ID)
	if err != nil {
		return p, api.ProfileSpec{}, fmt.Errorf("look up the edit: %w", err)
	}
	if !found || !Equal(e.Spec.V, approved.After) || !Equal(p.Spec.V, approved.Before) {
		return p, api.ProfileSpec{}, approval.ErrSubjectChanged
	}
	edit := Edit{Spec: e.Spec.V, Based: store.Precondition{approved.BaseVersion}}
	return p, e.Spec.V, changed(k.Service.allows(tx, p, edit))
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
