// Command server is cmd/certctl under another name, so that `go run ./server serve` works.
//
//	certctl serve                  run the server
//	certctl principal create ...   add a person or a service
//	certctl key create ...         give someone a key
package main

import "github.com/certctl/terraform-provider-certctl/server/commands"

// version is set when a release is built.
var version = "dev"

func main() { commands.Main(commands.Version(version)) }
