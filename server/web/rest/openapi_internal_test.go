package rest

import (
	"log/slog"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/web"
)

func TestFields(t *testing.T) {
	_, api := buildRoutes(Services{Server: &web.Server{Log: slog.New(slog.DiscardHandler)}})
	for _, key := range completeDocument(api) {
		t.Errorf("fields has %q, which nothing in the document needs", key)
	}
	for name, schema := range api.OpenAPI().Components.Schemas.Map() {
		for field, s := range schema.Properties {
			if s.Description == "" { // also beside a reference, where the loader of the other tests drops it
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}
