// Package profile owns certificate profiles: the rules for what may be signed, and whether a second person must
// approve it.
//
// What a profile may say, and whether it permits a name or a key, is in rules.
// A profile's row is locked before anything else: FOR SHARE by whoever relies on its rules, FOR UPDATE by whoever
// changes them.
package profile
