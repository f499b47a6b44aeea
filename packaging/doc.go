// Package packaging owns the files of the server's packages, beside this file, and the tests of a release of the server.
//
// make test-packages builds the release and runs the tests. They install it on a Debian that systemd-nspawn boots, without a
// network. They need root, or sudo without a password.
package packaging
