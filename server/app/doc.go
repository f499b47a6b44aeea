// Package app builds a server from its configuration.
//
// It opens the store, makes the services of all packages, and registers the kinds of approval. It runs the listeners, the
// workers and the ticks until it is told to stop. Only this package and the commands make issuers. It owns no table and
// takes no lock.
package app
