// Package app builds a server of its configuration: it opens the store, wires the rooms, and runs the listeners, the
// workers and the ticks until it is told to stop. Only here are issuers made and kinds of approval registered.
package app
