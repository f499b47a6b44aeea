// Package approval owns the two-person decision: a request waits, a second person decides, and what waited moves
// on in the same transaction. One file per verb.
//
// It knows nothing of certificates or profiles: what waits is a Kind, registered when the server is built. A new
// kind of approval is a new Kind and no line here.
//
// The table approvals changes only through the guarded updates in this room; the schema refuses a change of a
// decided row and of what a row is about. Lock order: a Kind locks what it will change (profile, certificate)
// before the approval's row, and its job after it.
package approval
