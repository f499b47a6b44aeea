// Package web owns what every HTTP interface needs: the caller, the transaction of a request, idempotency keys, and the
// problem that an error becomes. Package rest uses it; a page for people could.
//
// The handler opens one transaction for each request, and calls a service inside it. Errors become problems only in
// problems.go. Package approval decides who may approve; this package does not.
//
// It owns the table replays.
package web
