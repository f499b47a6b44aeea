// Package gate is the sign gate: nothing else can sign.
//
// An issuer signs only what a Permit holds, and only Admit makes one. Admit runs before each signature, on every
// path, in one transaction that locks profile and certificate: what the job asks for must be what the certificate
// and the profile say now, every rule of the profile must allow it, and if the profile is gated, or the job has an
// approval, that approval must be approved over this very digest. Then the intent is written: one row per job, once,
// with the bytes to sign, so that a signature can be repeated but never a different one made.
//
// A miss ends the job. An error ends nothing: the job is tried again. Neither opens the gate.
//
// Lock order: profile (shared), certificate, approval (shared), job.
package gate
