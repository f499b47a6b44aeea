package rest

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Echo is part of the body of a PUT. An object may be sent back as it was read. These are the only fields set by the
// server that count.
type Echo struct {
	ID *string `json:"id,omitempty" doc:"Id in the path. Another id is refused."`
	BaseVersion
}

// BaseVersion is part of a body: the version that a change is based on.
type BaseVersion struct {
	Version *int64 `json:"version,omitempty" doc:"Version that the change is based on. It counts as If-Match."`
}

const serverFieldText = "Set by the server, and ignored here."

// allowServerFields adds every field of an answer to the schema of a body. A field that callers do not write may have any
// value and is ignored.
func allowServerFields(r huma.Registry, body *huma.Schema, answer reflect.Type) *huma.Schema {
	schema := r.Schema(answer, true, "")
	for schema.Ref != "" {
		schema = r.SchemaFromRef(schema.Ref)
	}
	for name := range schema.Properties {
		if _, ok := body.Properties[name]; !ok {
			body.Properties[name] = &huma.Schema{Description: serverFieldText}
		}
	}
	return body
}

// checkID returns an error if the body has another id than the path.
func (e Echo) checkID(id string) error {
	if e.ID == nil || *e.ID == id {
		return nil
	}
	return api.Invalid(api.Fault{Pointer: "/id", Detail: "is not the id in the path"})
}

// addTo adds the version of the body to the versions of the header. Both must match.
func (v BaseVersion) addTo(header api.Precondition) api.Precondition {
	switch {
	case v.Version == nil:
		return header
	case len(header) == 0, slices.Contains(header, *v.Version):
		return api.Precondition{*v.Version}
	default:
		return api.Precondition{-1} // no object has this version
	}
}
