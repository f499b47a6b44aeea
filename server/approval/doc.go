// Package approval owns the two-person decision: a request waits, a second person decides, and what waited moves on
// in the same transaction. One file per verb: request, approve, reject, withdraw, close, expire, bypass.
//
// It knows nothing of certificates or profiles. Package app registers a [Kind] for each kind of approval. A new kind
// needs a new Kind and its constant in api, and no line here.
//
// It owns the tables approvals and approval_names. A row of approvals changes only through the guarded updates in
// close.go; the schema refuses to change a final row, or what a row is about.
//
// Lock order: [Kind.Lock] locks what the approval will change (profile, certificate), then the approval is updated,
// then its job. docs/design/decision.md tells the whole transaction.
package approval
