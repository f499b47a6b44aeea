package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ListChanges lists the JSON fields in which two values of a struct differ, sorted by name. If before is nil, it lists
// every field of after. A field that one of them leaves out is null there. Sets must be sorted.
func ListChanges(before, after any) ([]api.Change, error) {
	old, err := fieldsOf(before)
	if err != nil {
		return nil, err
	}
	now, err := fieldsOf(after)
	if err != nil {
		return nil, err
	}
	for name := range old {
		if _, kept := now[name]; !kept {
			now[name] = json.RawMessage("null")
		}
	}
	changes := []api.Change{}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if string(old[name]) != string(now[name]) {
			changes = append(changes, api.Change{Pointer: "/" + name, Before: old[name], After: now[name]})
		}
	}
	return changes, nil
}

func fieldsOf(value any) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode the fields: %w", err)
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(text, &fields)
}
