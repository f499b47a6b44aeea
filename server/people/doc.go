// Package people is the command line of the people who request and decide. It knows the HTTP API and a terminal, and
// nothing of the database: the server decides, this package shows and asks.
//
// Words of users are shown and never run: each text passes through [visible] on its way to the terminal.
package people
