// Package client is the typed Go client of certctl's HTTP API. Each operation has a method with its name.
//
// A refusal is an [*api.Problem], an answer of another server is a [*ForeignAnswerError], and a missing answer is an
// [*UnreachableError]. No retry has a second effect. Reads, deletes and writes with [IfMatch] are retried, and so is a
// POST, by its Idempotency-Key. Any other PUT is retried only if no connection was made.
package client
