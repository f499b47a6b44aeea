//go:build !unix

package people

import "io/fs"

// checkPrivate trusts the configuration directory of the user, which only the user can read.
func checkPrivate(fs.FileInfo) error { return nil }
