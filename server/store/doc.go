// Package store owns the database: connections, transactions, migrations, and the signal that wakes workers.
//
// PostgreSQL and SQLite behave alike: one snapshot for Read, a single SELECT for Query, one atomic change for Write.
// SQLite has a single writer connection, so its writers queue in the pool instead of polling a lock.
//
// Rules for the packages above: a state change is one guarded UPDATE ... RETURNING through Tx.Must, or through Tx.Guarded if the
// guard may fail. A function passed to Write has no effect outside its transaction, because it may run again; what must
// happen after the commit goes to Tx.AfterCommit. Locks are taken in one order:
// keys and principals, ungated names, profile, certificate, approval, job.
//
// See docs/design/databases.md.
package store
