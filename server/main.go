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
	parser.FatalIfErrorf(parser.Run())
}
