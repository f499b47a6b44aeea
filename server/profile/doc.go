// Package profile owns certificate profiles: the rules of what may be signed, and whether a second person must approve.
// It also owns the names that need no approval.
//
// An edit of a gated profile waits for an approval of kind profile_edit (kind.go). plan.go decides what an edit does;
// Replace does it and Preview shows it. The syntax of profiles is in package rules.
//
// It owns the tables profiles, profile_changes, profile_edits and ungated_names. Lock order: the ungated names, then
// the profile's row: FOR SHARE by a transaction that relies on its rules, FOR UPDATE by one that changes them.
package profile
