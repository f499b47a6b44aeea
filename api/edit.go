package api

import "encoding/json"

// EditOutcome is what a PUT of a profile would do.
type EditOutcome string

// The outcomes.
const (
	EditNone    EditOutcome = "none"    // it says what is stored
	EditApplies EditOutcome = "applies" // at once
	EditWaits   EditOutcome = "waits"   // for a second person
	EditRefused EditOutcome = "refused" // see the problem
)

// EditPreview is the answer to a dry run.
type EditPreview struct {
	Outcome            EditOutcome `json:"outcome" enum:"none,applies,waits,refused"`
	ApprovalID         *string     `json:"approval_id" doc:"the same edit waits already"`
	PreviousApprovalID *string     `json:"previous_approval_id" doc:"the same edit was asked for before"`
	Changes            []Change    `json:"changes"`
	Problem            *Problem    `json:"problem" doc:"why it is refused; null unless it is"`
}

// Change is one field that an edit changes. Sets are sorted.
type Change struct {
	Pointer string          `json:"pointer"`
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
}
