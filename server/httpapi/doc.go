// Package httpapi is the door: it turns requests into calls of the rooms and their answers into responses.
//
// routes.go is the table of contents. The door opens the transaction, once for each request, and the room's verb
// runs inside it. Errors become problem documents in problems.go and nowhere else. Nothing here decides who may
// approve: approve and reject only need a good key, and the approval room decides in its transaction.
package httpapi
