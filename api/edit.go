package api

import "encoding/json"

// EditOutcome is what a POST or a PUT of a profile would do.
type EditOutcome string

// The outcomes.
const (
	EditCreates EditOutcome = "creates" // a new profile
	EditNone    EditOutcome = "none"    // it says what is stored
	EditApplies EditOutcome = "applies" // at once
	EditWaits   EditOutcome = "waits"   // for a second person
	EditRefused EditOutcome = "refused" // see the problem
)

// EditPreview is what would happen to a profile. Nothing of it has happened.
type EditPreview struct {
	Outcome            EditOutcome `json:"outcome" enum:"creates,none,applies,waits,refused"`
	ApprovalID         *string     `json:"approval_id" doc:"Id of the approval that the same edit already waits for; null without one."`
	PreviousApprovalID *string     `json:"previous_approval_id"`
	Changes            []Change    `json:"changes" doc:"Fields that the edit changes."`
	Effects            EditEffects `json:"effects" doc:"Effects on jobs and certificates once the edit applies."`
	Warnings           []string    `json:"warnings" doc:"Warnings about the edit, for people to read."`
	Problem            *Problem    `json:"problem"`
}

// Change is one field that an edit changes. Sets are sorted. A new profile has no field before: they are null.
type Change struct {
	Pointer string          `json:"pointer" doc:"JSON pointer to the field."`
	Before  json.RawMessage `json:"before" doc:"Value before the change; null without one."`
	After   json.RawMessage `json:"after" doc:"Value after the change; null without one."`
}

// EditEffects is what an edit of a profile does to the jobs and certificates under it.
type EditEffects struct {
	JobsCancelled   int `json:"jobs_cancelled" doc:"Number of open jobs that can no longer be signed."`
	RenewalsBlocked int `json:"renewals_blocked" doc:"Number of live certificates that can be renewed now, and cannot after the edit."`
}

// EditedProfile is the answer to a PUT of a profile.
type EditedProfile struct {
	Profile
	Effects *EditEffects `json:"effects,omitempty"`
}

// EditSubject is the subject of an approval of kind profile_edit. Sets are sorted by bytes.
type EditSubject struct {
	ProfileID   string       `json:"profile_id"`
	BaseVersion int64        `json:"base_version" doc:"the newest version that changed a rule"`
	Before      ProfileRules `json:"before"`
	After       ProfileRules `json:"after"`
}

// ProfileRules are the written fields of a profile, without its description and labels. A field that an earlier version of
// the program did not have is left out at its default, so an edit that was requested before keeps its digest.
type ProfileRules struct {
	ProfileSpec
	// These hide the fields of the same JSON name.
	Description        string            `json:"description,omitempty"`
	Labels             map[string]string `json:"labels,omitempty"`
	SubjectAttributes  SubjectAttributes `json:"subject_attributes,omitzero"`
	AllowedCommonNames []string          `json:"allowed_common_names,omitempty"`
	KeyUsages          []string          `json:"key_usages,omitempty"`
	AllowUnderscores   bool              `json:"allow_underscores,omitempty"`
	CSRExtras          CSRExtras         `json:"csr_extras,omitempty"`
}

// NewProfileRules returns the rules of a profile.
func NewProfileRules(spec ProfileSpec) ProfileRules {
	rules := ProfileRules{
		ProfileSpec: spec, SubjectAttributes: spec.SubjectAttributes, AllowedCommonNames: spec.AllowedCommonNames,
		KeyUsages: spec.KeyUsages, AllowUnderscores: spec.AllowUnderscores, CSRExtras: spec.CSRExtras,
	}
	if rules.CSRExtras == CSRExtrasList {
		rules.CSRExtras = ""
	}
	return rules
}

// Spec returns the profile without description and labels.
func (r ProfileRules) Spec() ProfileSpec {
	spec := r.ProfileSpec
	spec.Description, spec.Labels = "", nil
	spec.SubjectAttributes, spec.AllowedCommonNames, spec.KeyUsages = r.SubjectAttributes, r.AllowedCommonNames, r.KeyUsages
	spec.AllowUnderscores, spec.CSRExtras = r.AllowUnderscores, r.CSRExtras
	spec.FillMissing()
	return spec
}
