// Package job owns the durable queue: one row for each request to sign a certificate.
//
// A job moves only by the guarded updates in this package. The schema refuses every other step:
//
//	AwaitingApproval -> Pending -> Running -> Completed | Failed
//	AwaitingApproval -> Cancelled; Running -> Cancelled by the gate; Running -> Pending to try again
//
// Every claim increments fence, and every later write of the worker checks it: a worker that lost its lease cannot
// write. attempt counts errors of the issuer alone. A job's row is locked last.
package job
