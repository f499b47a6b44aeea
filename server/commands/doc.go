// Package commands is the command line of certctl: the server, and its administration.
//
// Commands work on the database directly: access to it is the root of trust. Each is a struct with its flags and a
// Run method, in a file for each noun.
package commands
