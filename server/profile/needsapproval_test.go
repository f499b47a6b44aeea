package profile_test

import (
	"reflect"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/profile"
)

// TestNeedsApproval changes each field of a profile alone. A new field of api.ProfileSpec needs approval unless this test
// and withoutNotes name it.
func TestNeedsApproval(t *testing.T) {
	t.Parallel()
	notes := map[string]bool{"Description": true, "Labels": true}
	spec := reflect.TypeFor[api.ProfileSpec]()
	for i := range spec.NumField() {
		field := spec.Field(i)
		for name, base := range map[string]api.ProfileSpec{"defaults": gated(api.DefaultProfileSpec()), "zero": gated(api.ProfileSpec{Enabled: true})} {
			after := base
			change(t, reflect.ValueOf(&after).Elem().Field(i))
			want := !notes[field.Name] && field.Name != "Enabled"
			if got := profile.NeedsApproval(base, after); got != want {
				t.Errorf("%s of %s: waits: %t", field.Name, name, got)
			}
			if profile.SameRules(base, after) != notes[field.Name] {
				t.Errorf("%s of %s: the rules are the same: %t", field.Name, name, notes[field.Name])
			}
			// Nothing waits before the gate is on, and what turns it on applies as a whole.
			open := base
			open.RequiresApproval = false
			if profile.NeedsApproval(open, after) {
				t.Errorf("%s of %s waits without a gate", field.Name, name)
			}
			// Back from a disabled profile: enabling is a rule, and what goes with disabling is judged by itself.
			disabled, back := base, after
			disabled.Enabled, back.Enabled = false, true
			if !profile.NeedsApproval(disabled, back) {
				t.Errorf("%s of %s: enabling does not wait", field.Name, name)
			}
			stopped := after
			stopped.Enabled = false
			if got := profile.NeedsApproval(base, stopped); got != want {
				t.Errorf("%s of %s, with disabling: waits: %t", field.Name, name, got)
			}
		}
	}
}

func gated(spec api.ProfileSpec) api.ProfileSpec {
	spec.RequiresApproval = true
	return spec
}

// change gives a field another value.
func change(t *testing.T, field reflect.Value) {
	t.Helper()
	switch field.Kind() {
	case reflect.Bool:
		field.SetBool(!field.Bool())
	case reflect.Int, reflect.Int64:
		field.SetInt(field.Int() + 1)
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Slice:
		longer := reflect.New(field.Type()).Elem()
		longer.Set(reflect.AppendSlice(reflect.MakeSlice(field.Type(), 0, field.Len()+1), field))
		field.Set(reflect.Append(longer, reflect.Zero(field.Type().Elem())))
	case reflect.Map:
		larger := reflect.MakeMap(field.Type())
		larger.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf("y"))
		field.Set(larger)
	case reflect.Pointer:
		other := reflect.New(field.Type().Elem())
		if !field.IsNil() {
			other.Elem().Set(field.Elem())
		}
		if other.Elem().Kind() != reflect.Struct {
			change(t, other.Elem())
		}
		field.Set(other)
	case reflect.Struct:
		change(t, field.Field(0))
	default:
		t.Fatalf("no other value is known for a %s", field.Kind())
	}
}
