// Package history records who wrote each field that gets signed, and finds the changes that no human approved yet.
//
// The rows live in profile_changes and certificate_changes, one for each signed field that a version changed. They
// are only ever added. The rules here are pure: the packages that own the tables read and write the rows.
package history
