package rest

import (
	"log/slog"
	"maps"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// OpenAPI is the description of the API as YAML, made from the code.
func OpenAPI(version string) ([]byte, error) {
	_, api := build(Rooms{Server: &web.Server{Log: slog.New(slog.DiscardHandler)}, Version: version})
	return api.OpenAPI().YAML()
}

// complete says what huma cannot take from the types: that an answer has every field, also those that a caller may
// leave out, which objects may be null, and that a chain is PEM.
func complete(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	for _, answer := range []string{"Certificate", "Profile", "EditedProfile"} {
		schemas[answer].Required = slices.Sorted(maps.Keys(schemas[answer].Properties))
	}
	edited := schemas["EditedProfile"]
	edited.Required = slices.DeleteFunc(edited.Required, func(name string) bool { return name == "effects" })
	for _, nullable := range [][2]string{
		{"Certificate", "current"},
		{"Certificate", "job"},
		{"EditPreview", "problem"},
		{"Approval", "context"},
		{"Approval", "previous"},
		{"IssuanceContext", "current"},
		{"RenewalPreview", "context"},
		{"RenewalPreview", "problem"},
	} {
		fields, name := schemas[nullable[0]].Properties, nullable[1]
		fields[name] = &huma.Schema{OneOf: []*huma.Schema{{Ref: fields[name].Ref}, {Type: "null"}}, Description: fields[name].Description}
	}
	for _, free := range [][2]string{{"Change", "before"}, {"Change", "after"}, {"RenewalPreview", "subject"}} {
		field := schemas[free[0]].Properties[free[1]]
		*field = huma.Schema{AnyOf: []*huma.Schema{{}, {Type: "null"}}, Description: field.Description}
	}
	pem := doc.Paths["/api/v1/certificates/{id}/chain"].Get.Responses["200"]
	pem.Headers = nil
	pem.Content = map[string]*huma.MediaType{chainContentType: {Schema: &huma.Schema{Type: huma.TypeString}}}
}

// describeEdit says what a PUT of a profile answers: huma knows one answer for each operation.
func describeEdit(h huma.API) {
	put := h.OpenAPI().Paths["/api/v1/profiles/{id}"].Put
	schemas := h.OpenAPI().Components.Schemas
	edited := schemas.Schema(reflect.TypeFor[api.EditedProfile](), true, "")
	waiting := schemas.Schema(reflect.TypeFor[api.Approval](), true, "")
	put.Responses["200"].Description = "The profile"
	put.Responses["200"].Content = jsonOf(edited)
	put.Responses["202"] = &huma.Response{
		Description: "The edit of a gated profile awaits this approval", Headers: put.Responses["200"].Headers, Content: jsonOf(waiting),
	}
}

func jsonOf(schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

func problemResponse(h huma.API) *huma.Response {
	schema := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	return &huma.Response{
		Description: "A problem: RFC 9457",
		Content:     map[string]*huma.MediaType{web.ProblemContentType: {Schema: schema}},
	}
}
