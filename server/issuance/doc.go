// Package issuance turns a wish for a certificate into a signed one: renew opens a job, and for a gated profile an
// approval; a worker takes the job through the sign gate to the issuer and stores what comes back.
//
// It moves jobs and approvals only through their rooms, and signs only with a permit of the gate.
package issuance
