package profile_test

import (
	"reflect"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/profile"
)

// Each field of a profile is changed alone. A new field of api.ProfileSpec needs approval unless this test and withoutNotes
// name it.
func TestNeedsApproval_CoversEveryField(t *testing.T) {
	t.Parallel()
	notes := map[string]bool{"Description": true, "Labels": true}
	spec := reflect.TypeFor[api.ProfileSpec]()
	for i := range spec.NumField() {
		field := spec.Field(i)
		for name, base := range map[string]api.ProfileSpec{"defaults": withGate(api.DefaultProfileSpec()), "zero": withGate(api.ProfileSpec{Enabled: true})} {
			after := base
			changeField(t, reflect.ValueOf(&after).Elem().Field(i))
			want := !notes[field.Name] && field.Name != "Enabled"
			if got := profile.NeedsApproval(base, after); got != want {
				t.Errorf("%s of %s: waits: %t", field.Name, name, got)
			}
			if profile.SameRules(base, after) != notes[field.Name] {
				t.Errorf("%s of %s: the rules are the same: %t", field.Name, name, notes[field.Name])
			}
			// Without a gate no edit waits, even if it also turns the gate on.
			open := base
			open.RequiresApproval = false
			if profile.NeedsApproval(open, after) {
				t.Errorf("%s of %s waits without a gate", field.Name, name)
			}
			// Enabling a profile waits. Disabling does not, so an edit that also disables waits only for its other field.
			disabled, enabled := base, after
			disabled.Enabled, enabled.Enabled = false, true
			if !profile.NeedsApproval(disabled, enabled) {
				t.Errorf("%s of %s: enabling does not wait", field.Name, name)
			}
			withDisabling := after
			withDisabling.Enabled = false
			if got := profile.NeedsApproval(base, withDisabling); got != want {
				t.Errorf("%s of %s, with disabling: waits: %t", field.Name, name, got)
			}
		}
	}
}

func withGate(spec api.ProfileSpec) api.ProfileSpec {
	spec.RequiresApproval = true
	return spec
}

// changeField gives a field another value.
func changeField(t *testing.T, field reflect.Value) {
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
			changeField(t, other.Elem())
		}
		field.Set(other)
	case reflect.Struct:
		changeField(t, field.Field(0))
	default:
		t.Fatalf("no other value is known for a %s", field.Kind())
	}
}
