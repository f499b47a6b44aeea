// Package gate is the sign gate: nothing else can sign.
//
// An issuer signs only what a [Permit] holds, and only [Gate.Admit] makes one. Admit runs before each signature, on
// every path, in one transaction that locks profile and certificate. It checks three things:
//
//   - The subject of the job is what would be signed now.
//   - Every rule of the profile allows it.
//   - If an approval is needed, it is approved over this digest.
//
// Then Admit writes the [Intent]: the bytes to sign, one row for each job, written once. A signature can be repeated,
// but a job never has two different certificates.
//
// A miss ends the job. An error does not: the job is tried again. Neither opens the gate.
//
// It owns the tables intents and issuers. Lock order: ungated names (shared), profile (shared), certificate, approval
// (shared), job. docs/design/gate.md tells why.
package gate
