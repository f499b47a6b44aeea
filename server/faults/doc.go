// Package faults has no code of its own: its tests break what can break around a running server, and look that what
// was promised still holds. Callers race; a process is killed in the middle of a statement; a statement, an issuer, a
// database fails; a worker loses its lease; somebody with SQL tries to open the gate.
//
// Every test runs through the API on both databases, ends with the invariants of package servertest, and holds
// each leaf against the bytes that the gate let through for its job and against what was approved, and each version of
// a profile against the one before and the edit that was approved.
package faults
