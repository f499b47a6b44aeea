package main

import (
	"archive/tar"
	"encoding/pem"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	programName = "certctl"
	dataDir     = "/var/lib/certctl"
	// userID is the user and the group that the server runs as. It has no name.
	userID = 65532
)

// entry is a file or a directory of an archive.
type entry struct {
	header  tar.Header
	content string
}

func newFile(name string, mode int64, modified time.Time, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, ModTime: modified, Size: int64(len(content))}, content}
}

func newDirectory(name string, mode int64, modified time.Time) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, ModTime: modified}, ""}
}

// listFiles returns everything that an image holds: the program, the certification authorities that it trusts as a client,
// and the directory of its data.
func listFiles(program string, modified time.Time) ([]entry, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	data := newDirectory(strings.TrimPrefix(dataDir, "/"), 0o700, modified)
	data.header.Uid, data.header.Gid = userID, userID
	return []entry{
		newFile(programName, 0o755, modified, string(content)),
		newDirectory("etc", 0o755, modified),
		newDirectory("etc/ssl", 0o755, modified),
		newDirectory("etc/ssl/certs", 0o755, modified),
		newFile("etc/ssl/certs/ca-certificates.crt", 0o644, modified, encodeRoots()),
		newDirectory("var", 0o755, modified),
		newDirectory("var/lib", 0o755, modified),
		data,
	}, nil
}

// encodeRoots returns Mozilla's list of certification authorities, as PEM. It leaves out those that Mozilla trusts under a
// condition, because PEM cannot say the condition.
func encodeRoots() string {
	var text strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return text.String()
}

// tarDirectory returns the files of a directory as a tar archive, sorted by name.
func tarDirectory(dir string, modified time.Time) (string, error) {
	var entries []entry
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			entries = append(entries, newDirectory(name, 0o755, modified))
			return nil
		}
		content, err := fs.ReadFile(files, name)
		entries = append(entries, newFile(name, 0o644, modified, string(content)))
		return err
	})
	if err != nil {
		return "", err
	}
	return makeTar(entries) // WalkDir goes in the order of the names
}

// makeTar returns the entries as a tar archive.
func makeTar(entries []entry) (string, error) {
	var archive strings.Builder
	w := tar.NewWriter(&archive)
	for _, e := range entries {
		if err := w.WriteHeader(&e.header); err != nil {
			return "", err
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			return "", err
		}
	}
	err := w.Close()
	return archive.String(), err
}
