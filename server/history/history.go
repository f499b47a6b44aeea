package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// Author is who wrote a change.
type Author struct {
	Principal   string
	Accountable string
	// ApprovedBy is the human who approved the change before it applied; nil if nobody had to, or the bypass did.
	ApprovedBy *string
}

// AuthorOf is the author of a change that applies at once.
func AuthorOf(who identity.Actor) Author {
	return Author{Principal: who.ID, Accountable: who.Accountable()}
}

// Change is one signed field that a version changed.
type Change struct {
	Version   int64
	Field     string
	Value     string // canonical JSON of what the version has; empty for a field that is left out
	Author    `gorm:"embedded"`
	ChangedAt time.Time
}

// fieldsOf gives the canonical JSON of each field of content, by the field's name on the wire. Two versions differ in a
// field if its texts differ. Sets must be sorted.
func fieldsOf(content any) (map[string]string, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode what is signed: %w", err)
	}
	var values map[string]jsontext.Value
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("read what is signed: %w", err)
	}
	fields := make(map[string]string, len(values))
	for name, value := range values {
		if err := value.Canonicalize(); err != nil {
			return nil, fmt.Errorf("canonical JSON of %s: %w", name, err)
		}
		fields[name] = string(value)
	}
	return fields, nil
}

// ListChanges lists what a version changes. before is nil for a new object. A field that after leaves out, because it has
// its default, has the empty value.
func ListChanges(version int64, author Author, at time.Time, before, after any) ([]Change, error) {
	old := map[string]string{}
	if before != nil {
		var err error
		if old, err = fieldsOf(before); err != nil {
			return nil, err
		}
	}
	fields, err := fieldsOf(after)
	if err != nil {
		return nil, err
	}
	for name := range old {
		if _, kept := fields[name]; !kept {
			fields[name] = ""
		}
	}
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if old[name] != fields[name] {
			changes = append(changes, Change{Version: version, Field: name, Value: fields[name], Author: author, ChangedAt: at})
		}
	}
	return changes, nil
}

// ListOpen lists the changes that make the newest version differ from the last settled one, in the order given. A settled
// change sets the value that its field is compared with. Returning to that value takes every open change of the field
// off the list. changes holds all changes of one object, oldest first.
func ListOpen(changes []Change, settled func(Change) bool) []Change {
	value := map[string]string{}
	open := map[string]bool{}
	since := map[string]int{} // changes of a field before this index are no longer open
	for i, c := range changes {
		switch {
		case settled(c):
			value[c.Field], open[c.Field] = c.Value, false
		case value[c.Field] == c.Value:
			open[c.Field] = false
		case !open[c.Field]:
			open[c.Field], since[c.Field] = true, i
		}
	}
	var list []Change
	for i, c := range changes {
		if open[c.Field] && i >= since[c.Field] {
			list = append(list, c)
		}
	}
	return list
}

// ListAccountable lists who is accountable for the changes, sorted.
func ListAccountable(changes []Change) []string {
	people := make([]string, len(changes))
	for i, c := range changes {
		people[i] = c.Accountable
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// HasField says whether one of the changes is to the field.
func HasField(changes []Change, field string) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Field == field })
}
