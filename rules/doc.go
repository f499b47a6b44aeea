// Package rules owns the rules of what may be in a certificate: names, patterns, keys, certificate signing requests
// (CSR), profiles, names that need no approval, the texts that people write, and the subject with its digest.
//
// All of it is pure: no database, no clock, no I/O. The server refuses by these rules, the provider validates by them,
// and the command line explains by them, so their answers cannot differ.
package rules
