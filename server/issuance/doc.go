// Package issuance requests signatures and makes them: renew, the scheduler and the worker.
//
// Renew checks what would be signed and opens a job, and under a gated profile its approval (kind.go). The scheduler
// renews what is due in the same way. The worker claims a job, has the gate admit it, has the issuer sign, and stores
// the leaf. Package job owns the queue, package gate the decision, package certificate the leaves.
//
// It owns no table. Lock order: profile, certificate, approval, job.
package issuance
