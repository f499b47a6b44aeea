// Command certctl is the certctl server and its administration.
//
//	certctl serve                  run the server
//	certctl principal create ...   say who there is
//	certctl key create ...         give someone a key
//
// Commands work on the database directly: access to it is the root of trust.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var commands cli
	parser := kong.Parse(&commands,
		kong.Name("certctl"),
		kong.Description("Issues certificates; under a gated profile only after a second person approved."),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&commands.Config),
	)
	if err := parser.Run(); err != nil {
		parser.Fatalf("%s", oneLine(err))
	}
}

// oneLine keeps an error to one line: some drivers write several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
