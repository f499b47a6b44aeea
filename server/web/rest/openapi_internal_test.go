package rest

import (
	"log/slog"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/web"
)

func TestFields_AreAllUsedAndDescribed(t *testing.T) {
	server := &web.Server{Log: slog.New(slog.DiscardHandler)}
	api := mountRoutes(server.NewEngine(), Services{Server: server})
	for _, key := range completeDocument(api) {
		t.Errorf("fields has %q, which the document does not use", key)
	}
	for name, schema := range api.OpenAPI().Components.Schemas.Map() {
		for field, s := range schema.Properties {
			if s.Description == "" { // the loader of the other tests drops descriptions beside references
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}
