// Package certificate owns certificates and the leaves that were signed for them.
//
// A certificate gives the names, and its CSR gives the public key. Callers know a certificate by an id. When the
// certificate is archived, its id may be used again. Other tables refer to the uid, which is never used again.
//
// Only a change of what a caller writes increments the version. If a change makes a waiting request stale, this
// package closes it through package approval. It never touches a job.
//
// It owns the tables certificates, certificate_changes, certificate_names and leaves. Lock order: the profile, the
// certificate, the approval, the job.
package certificate
