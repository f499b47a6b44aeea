// Package review turns an approval into what a person reads before deciding: rows of what is signed beside what a human
// approved last, marks on names, warnings, one line of news, and the sentence to confirm. The console, the command line and
// the messages show the same review.
//
// The package decides nothing and reads nothing: no database, no clock, no network. Its texts contain names and words of
// users as they are stored. Each program escapes them for its own output.
package review
