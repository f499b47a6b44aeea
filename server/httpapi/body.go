package httpapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Sent is a JSON body that must be there. It is read to the letter: see form.go.
type Sent[T any] struct {
	RawBody []byte `contentType:"application/json"`

	value T
}

// Optional is a JSON body that may be left out.
type Optional[T any] struct{ Sent[T] }

// Resolve implements huma.Resolver. It stands here so that an input that embeds something else with a Resolve has two of
// the same depth, and so none of its own: huma then calls each.
func (b *Optional[T]) Resolve(ctx huma.Context) []error { return b.Sent.Resolve(ctx) }

// bodied is an input that has a body.
type bodied interface {
	describe(huma.Registry) *huma.RequestBody
}

func (b *Sent[T]) describe(r huma.Registry) *huma.RequestBody {
	return &huma.RequestBody{
		Required: true,
		Content:  map[string]*huma.MediaType{"application/json": {Schema: r.Schema(reflect.TypeFor[T](), true, "")}},
	}
}

func (b *Optional[T]) describe(r huma.Registry) *huma.RequestBody {
	described := b.Sent.describe(r)
	described.Required = false
	return described
}

// defaulted is a body whose missing fields have defaults. A field that is there replaces its default, also with
// false or an empty list.
type defaulted interface{ setDefaults() }

// Resolve implements huma.Resolver: it checks the body's form beside that of the parameters, so that all faults of
// form are told together, and reads it.
func (b *Sent[T]) Resolve(ctx huma.Context) []error {
	if len(b.RawBody) == 0 {
		return nil // where it is required, that has been refused
	}
	faults, err := ctx.Operation().Metadata[formKey].(form).check(b.RawBody)
	if err != nil {
		return []error{err}
	}
	if len(faults) > 0 {
		return asErrors(faults)
	}
	if d, ok := any(&b.value).(defaulted); ok {
		d.setDefaults()
	}
	if err := json.Unmarshal(b.RawBody, &b.value); err != nil {
		return asErrors([]api.Fault{{Detail: "the body does not have the form of the schema"}})
	}
	return nil
}

func asErrors(faults []api.Fault) []error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = &huma.ErrorDetail{Location: pointerLocation + f.Pointer, Message: f.Detail}
	}
	return errs
}
