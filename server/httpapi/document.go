package httpapi

import (
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
)

// OpenAPI is the description of the API as YAML, made from the code.
func OpenAPI(version string) ([]byte, error) {
	_, api := build(Rooms{Version: version, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	return api.OpenAPI().YAML()
}

// complete says what huma cannot take from the types: that an answer has every field, also those that a caller may
// leave out, and which objects may be null.
func complete(schemas map[string]*huma.Schema) {
	for _, answer := range []string{"Certificate", "Profile"} {
		schemas[answer].Required = slices.Sorted(maps.Keys(schemas[answer].Properties))
	}
	for _, name := range []string{"current", "job"} {
		field := schemas["Certificate"].Properties[name]
		schemas["Certificate"].Properties[name] = &huma.Schema{
			OneOf: []*huma.Schema{{Ref: field.Ref}, {Type: "null"}}, Description: field.Description + "; null without one",
		}
	}
}

func problemResponse(h huma.API) *huma.Response {
	schema := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	return &huma.Response{
		Description: "A problem: RFC 9457",
		Content:     map[string]*huma.MediaType{problemContentType: {Schema: schema}},
	}
}
