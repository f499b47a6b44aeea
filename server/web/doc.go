// Package web owns what every way into the server needs: who calls, the transaction of a request, idempotency keys,
// and the problem that an error becomes. Package rest stands on it; so may a page for people.
//
// The way in opens the transaction, once for each request, and the verb of a room runs inside it. Errors become
// problems in problems.go and nowhere else. Nothing here decides who may approve: that is package approval's.
//
// It owns the table replays.
package web
