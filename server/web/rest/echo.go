package rest

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Echo is part of the body of a PUT: an object may be sent back as it was read. Of what the server sets only these
// fields are looked at.
type Echo struct {
	ID *string `json:"id,omitempty" doc:"Id in the path. Another id is refused."`
	SentVersion
}

// SentVersion is part of a body that says which version it is based on.
type SentVersion struct {
	Version *int64 `json:"version,omitempty" doc:"Version that the change is based on. It counts as If-Match."`
}

const setByServer = "Set by the server, and ignored here."

// allowSentBack lets the schema of a body have every field of an answer. A field that callers do not write may have
// any value: it is ignored.
func allowSentBack(r huma.Registry, body *huma.Schema, answer reflect.Type) *huma.Schema {
	schema := r.Schema(answer, true, "")
	for schema.Ref != "" {
		schema = r.SchemaFromRef(schema.Ref)
	}
	for name := range schema.Properties {
		if _, written := body.Properties[name]; !written {
			body.Properties[name] = &huma.Schema{Description: setByServer}
		}
	}
	return body
}

// check refuses the content of another object.
func (e Echo) check(id string) error {
	if e.ID == nil || *e.ID == id {
		return nil
	}
	return api.Invalid(api.Fault{Pointer: "/id", Detail: "is not the id in the path"})
}

// precondition adds the version that was sent to that of the header. Both must hold.
func (v SentVersion) precondition(header api.Precondition) api.Precondition {
	switch {
	case v.Version == nil:
		return header
	case len(header) == 0, slices.Contains(header, *v.Version):
		return api.Precondition{*v.Version}
	default:
		return api.Precondition{-1} // no version is both
	}
}
