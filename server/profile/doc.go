// Package profile owns certificate profiles: the rules for what may be signed, and whether a second person must
// approve it.
//
// rules.go, names.go and patterns.go are pure: what a profile may say, and whether it permits a name or a key.
// A profile's row is locked before anything else: FOR SHARE by whoever relies on its rules, FOR UPDATE by whoever
// changes them.
package profile
