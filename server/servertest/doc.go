// Package servertest runs a real server in the process of a test. The server has a fresh database, people with keys, and a
// clock that the test sets. At the end of each test the invariants are checked.
package servertest
