// Package servertest runs a real server in the process of a test: fresh database, people with keys, a clock that the
// test sets, and at the end the invariants that must hold whatever the test did.
package servertest
