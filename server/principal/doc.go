// Package principal owns principals and their keys: who there is, who holds a key, what they may do.
//
// Only commands write here, with the database as the root of trust; the API reads. Nobody is deleted, only
// disabled. A key is stored as the SHA-256 of its secret and shown once.
package principal
