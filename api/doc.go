// Package api holds the wire types of certctl's HTTP API: what a server sends and a client reads.
//
// It imports the standard library only, so that a client costs its caller nothing else.
// Durations are whole seconds in fields that end in _seconds, times are RFC 3339 in UTC with at most
// microseconds, arrays are never null, and a pointer is a value that may be null.
package api
