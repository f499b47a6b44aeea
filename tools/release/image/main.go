// Command image writes the container image of the server, without a daemon and without a base image.
//
//	image -version 0.1.0 -created 2026-01-02T03:04:05Z -revision COMMIT -out image.tar amd64=FILE arm64=FILE
//
// The output is a tar archive of an OCI layout with one index, which has an image of Linux for each architecture. The same
// arguments and files give the same bytes. The program prints the digest of the index.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// release is what the images say about themselves.
type release struct {
	version  string
	revision string
	created  time.Time
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var r release
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&r.version, "version", "", "the version of the release")
	flags.StringVar(&r.revision, "revision", "", "the commit of the release")
	created := flags.String("created", "", "the time of the commit, in RFC 3339")
	out := flags.String("out", "", "the file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if r.version == "" || r.revision == "" || *out == "" || flags.NArg() == 0 {
		return errors.New("needs -version, -revision, -created, -out and ARCHITECTURE=FILE")
	}
	var err error
	if r.created, err = time.Parse(time.RFC3339, *created); err != nil {
		return fmt.Errorf("-created: %w", err)
	}
	index, err := r.makeIndex(flags.Args())
	if err != nil {
		return err
	}
	if err := r.writeArchive(*out, index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Println(digest)
	return err
}

// makeIndex returns an index of the images of the programs. Each argument is ARCHITECTURE=FILE.
func (r release) makeIndex(programs []string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, program := range programs {
		architecture, file, found := strings.Cut(program, "=")
		if !found {
			return nil, fmt.Errorf("%s is not ARCHITECTURE=FILE", program)
		}
		image, err := r.makeImage(architecture, file)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return mutate.Annotations(index, r.labels()).(v1.ImageIndex), nil
}

// makeImage returns the image of one program.
func (r release) makeImage(architecture, file string) (v1.Image, error) {
	files, err := listFiles(file, r.created)
	if err != nil {
		return nil, err
	}
	content, err := makeTar(files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: r.created}, CreatedBy: "tools/release/image"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.configure(image, architecture))
}

// configure returns the configuration of an image.
func (r release) configure(image v1.Image, architecture string) *v1.ConfigFile {
	made, err := image.ConfigFile()
	if err != nil {
		panic(err) // it is in memory
	}
	config := made.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, v1.Time{Time: r.created}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", userID, userID),
		Entrypoint: []string{"/" + programName},
		Cmd:        []string{"serve"},
		Env:        []string{"CERTCTL_DATA_DIR=" + dataDir},
		Volumes:    map[string]struct{}{dataDir: {}},
		WorkingDir: dataDir, // SQLite puts its temporary files there if there is no /tmp
		StopSignal: "SIGTERM",
		Labels:     r.labels(),
	}
	return config
}

func (r release) labels() map[string]string {
	const source = "https://github.com/certctl/terraform-provider-certctl"
	return map[string]string{
		"org.opencontainers.image.title":         "certctl",
		"org.opencontainers.image.description":   "Issues certificates. Under a gated profile, a second person must approve first.",
		"org.opencontainers.image.source":        source,
		"org.opencontainers.image.documentation": source + "/blob/v" + r.version + "/docs/server/install.md",
		"org.opencontainers.image.licenses":      "MPL-2.0",
		"org.opencontainers.image.version":       r.version,
		"org.opencontainers.image.revision":      r.revision,
	}
}

// writeArchive writes an OCI layout with one entry, the index, as a tar archive.
func (r release) writeArchive(file string, index v1.ImageIndex) error {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	name := map[string]string{"org.opencontainers.image.ref.name": r.version}
	if err := path.AppendIndex(index, layout.WithAnnotations(name)); err != nil {
		return err
	}
	content, err := tarDirectory(dir, r.created)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644) //nolint:gosec // a public file
}
