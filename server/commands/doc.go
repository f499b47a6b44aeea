// Package commands is the command line of certctl: it runs the server and administers its database.
//
// Commands work on the database directly. Access to the database is the root of trust, so they need no key. Each
// command is a struct with its flags and a Run method, in a file for each noun.
package commands
