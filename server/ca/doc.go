// Package ca is the built-in certification authority.
//
// A [CA] signs exactly the bytes of a gate permit. A key in memory signs deterministically, so signing the same bytes
// again gives the same certificate. The key may be any crypto.Signer, such as a key in a KMS or an HSM.
//
// Only packages app and commands make a CA. This package owns no table and takes no lock.
package ca
