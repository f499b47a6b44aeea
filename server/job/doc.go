// Package job owns the durable queue: a row for each wish to get a certificate signed, from the request to its end.
//
// A job moves only by the guarded updates in this room, and the schema refuses any other step:
//
//	AwaitingApproval -> Pending -> Running -> Completed | Failed
//	AwaitingApproval | Pending -> Cancelled; Running -> Cancelled by the gate; Running -> Pending to try again
//
// fence is raised by every claim and checked by every later write of the claimer, so that a worker that lost its
// lease cannot write. attempt counts errors of the issuer alone. A job's row is locked last.
package job
