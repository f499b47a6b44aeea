// Package rules owns the rules for what may be in a certificate. They cover names, patterns, keys, certificate signing
// requests (CSR), profiles and the names that need no approval. They also cover texts that people write, and the subject
// with its digest.
//
// All of it is pure: no database, no clock, no I/O. The server refuses by these rules. The provider validates by them,
// and the command line explains by them, so their answers cannot differ.
package rules
