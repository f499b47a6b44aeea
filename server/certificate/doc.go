// Package certificate owns certificates: what is to be signed again and again, and the leaves that were signed.
//
// A certificate gives the names, its CSR the public key; csr.go and check.go are pure. A certificate is known to
// callers by an id that is free again once it is archived, and to the other tables by a uid that never is.
//
// Only a change of the written fields moves version. A change that makes a waiting request stale closes it through
// the approval room; this room never touches a job. Lock order: its profile, the certificate, the approval, the job.
package certificate
