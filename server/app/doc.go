// Package app builds a server from its configuration.
//
// It opens the store, makes the services of the rooms, registers the kinds of approval, and runs the listeners, the
// workers and the ticks until it is told to stop. It makes the issuers, and it is the only package that knows all
// rooms. It owns no table and takes no lock.
package app
