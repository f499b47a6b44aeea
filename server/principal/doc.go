// Package principal owns people, services and their keys: which exist, which roles they have, and who holds a key.
//
// Only commands write principals and keys; access to the database is the root of trust. The API reads them. A
// principal is never deleted, only disabled. A key is shown once, and stored as the SHA-256 of its secret.
//
// It owns the tables principals, keys and handovers. Lock order: the keys of a principal, then the principal. Every
// request that writes locks its key and the principal FOR SHARE, so a revocation waits for the request's transaction.
package principal
