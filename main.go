// Command terraform-provider-certctl is the Terraform provider certctl.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/certctl/terraform-provider-certctl/provider"
)

// version is set by the release.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "serve for a debugger")
	flag.Parse()
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: "registry.terraform.io/certctl/certctl",
		Debug:   *debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}
