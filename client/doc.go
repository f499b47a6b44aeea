// Package client is the typed Go client of certctl's HTTP API: one method per operation, named after it.
//
// A refusal is an [*api.Problem], an answer that is not certctl's a [*ForeignAnswerError], and no answer at
// all an [*UnreachableError]. Nothing that is sent twice can have two effects: reads, deletes, POSTs (each has an
// Idempotency-Key) and writes with [IfMatch] are retried, any other PUT only if no connection was made.
package client
