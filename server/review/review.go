package review

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// Review is an approval as a person reads it.
type Review struct {
	// Rows are the fields of the subject: all of an issuance, the changed ones of a profile edit.
	Rows []Row
	// HasBaseline tells whether Rows compare with something: with the leaf that a human approved last, or with the rules in
	// force.
	HasBaseline bool
	// Warnings are sentences about what is unusual, the most dangerous first.
	Warnings []Warning
	// Confirm is the sentence that the approver agrees to: "I approve 3 names for mc-shop, 1 of them new".
	Confirm string

	news []fact
}

// Row is one field of the subject.
type Row struct {
	// Field is the field's name in JSON.
	Field string
	// Label names the field for people.
	Label string
	// Now has the values that the decision covers, Before those of the baseline. A field that is no set has one value.
	Now, Before []Item
	// Changed tells whether Now and Before differ. Without a baseline it is false.
	Changed bool
}

// Item is one value of a row.
type Item struct {
	// Text is the value.
	Text string
	// Marks tell what is unusual about the value, the most dangerous first.
	Marks []Mark
	// Resembles is the name that a LookAlike can be taken for.
	Resembles string
	// Decoded is the Unicode form of an internationalised name.
	Decoded string
	// HeldBy has the ids of other certificates with this name, or with a name that this wildcard covers.
	HeldBy []string
}

// Mark is one word about a value.
type Mark string

// The marks.
const (
	LookAlike     Mark = "look-alike"    // differs from a known name in a way that a reader misses
	International Mark = "international" // has letters beyond ASCII, or their encoded form
	Wildcard      Mark = "wildcard"      // covers every name with one more label
	New           Mark = "new"           // the baseline lacks it
	Elsewhere     Mark = "elsewhere"     // another live certificate has it
	Gone          Mark = "gone"          // only the baseline has it
)

// Warning is one sentence about what is unusual.
type Warning struct {
	// Text has %s for each of the names.
	Text string
	// Names are names, patterns or ids of the request.
	Names []string
}

// Format returns the sentence, each name as show writes it.
func (w Warning) Format(show func(string) string) string {
	names := make([]any, len(w.Names))
	for i, name := range w.Names {
		names[i] = show(name)
	}
	return fmt.Sprintf(w.Text, names...)
}

// Holder is another certificate that shares a name or the key with the request. See api.IssuanceContext.
type Holder struct {
	ID   string
	SANs []string
}

// Of returns the review of an approval. Holders are the certificates of context.other_certificates, if the caller has read
// them. If the stored subject cannot be read, or has a field that this program does not know, Of returns an error: nobody
// decides on what they do not see.
func Of(a api.Approval, holders []Holder) (Review, error) {
	switch a.Kind {
	case api.ApprovalIssuance:
		return ofIssuance(a, holders)
	case api.ApprovalProfileEdit:
		return ofEdit(a)
	default:
		return Review{}, fmt.Errorf("an approval of kind %q has no review", a.Kind)
	}
}

func readSubject[T any](a api.Approval) (T, error) {
	var subject T
	if err := json.Unmarshal(a.Subject, &subject); err != nil {
		return subject, fmt.Errorf("read the subject of %s: %w", a.ID, err)
	}
	known, _, err := rules.Canonicalize(subject)
	if err != nil {
		return subject, err
	}
	if all, _, err := rules.Canonicalize(a.Subject); err != nil || all != known {
		return subject, fmt.Errorf("the subject of %s has fields that this program does not know: %w", a.ID, errors.Join(ErrUnknownField, err))
	}
	return subject, nil
}

// ErrUnknownField says that a newer program made the request, and that this one cannot show all of it.
var ErrUnknownField = errors.New("a newer program must show it")
