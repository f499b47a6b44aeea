package review

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

func ofIssuance(a api.Approval, holders []Holder) (Review, error) {
	subject, err := readSubject[api.IssuanceSubject](a)
	if err != nil {
		return Review{}, err
	}
	if a.Context == nil {
		return Review{}, fmt.Errorf("the approval %s has no context", a.ID)
	}
	i := issuance{approval: a, subject: subject, context: *a.Context, holders: holders}
	r := Review{HasBaseline: i.hasBaseline(), news: i.listNews()}
	if r.Rows, err = i.listRows(r.HasBaseline); err != nil {
		return Review{}, err
	}
	r.Warnings = i.listWarnings(r.Rows[0].Now)
	r.Confirm = i.confirm(r.Rows[0].Now)
	return r, nil
}

type issuance struct {
	approval api.Approval
	subject  api.IssuanceSubject
	context  api.IssuanceContext
	holders  []Holder
}

// hasBaseline relies on the issuer: every subject has one, so a change from null means that there was no subject.
func (i issuance) hasBaseline() bool {
	change, changed := i.findChange("issuer_id")
	return i.context.Request != api.RequestFirst && (!changed || !isNull(change.Before))
}

func (i issuance) findChange(field string) (api.Change, bool) {
	at := slices.IndexFunc(i.context.OtherChanges, func(c api.Change) bool { return c.Pointer == "/"+field })
	if at < 0 {
		return api.Change{}, false
	}
	return i.context.OtherChanges[at], true
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// issuanceFields are the fields of the subject after names and key, in the order of the rows.
var issuanceFields = []string{
	"common_name", "validity_seconds", "extended_key_usages", "key_usages", "subject_attributes", "profile_id", "issuer_id", "issuer_fingerprint_sha256",
}

// orderFields returns the fields that have a row of their kind. One that issuanceFields lacks comes last: nothing that is
// signed is hidden.
func orderFields(fields map[string]json.RawMessage) []string {
	others := without(slices.Sorted(maps.Keys(fields)), append([]string{"sans", "key", "certificate_id"}, issuanceFields...))
	return append(slices.Clone(issuanceFields), others...)
}

// listRows returns the names first.
func (i issuance) listRows(hasBaseline bool) ([]Row, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(i.approval.Subject, &fields); err != nil {
		return nil, fmt.Errorf("read the subject of %s: %w", i.approval.ID, err)
	}
	rows := []Row{i.namesRow(hasBaseline), i.keyRow(hasBaseline)}
	for _, field := range orderFields(fields) {
		row, err := i.fieldRow(field, fields[field], hasBaseline)
		if err != nil {
			return nil, err
		}
		if len(row.Now)+len(row.Before) > 0 {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (i issuance) fieldRow(field string, now json.RawMessage, hasBaseline bool) (Row, error) {
	values, err := listValues(field, now)
	if err != nil {
		return Row{}, err
	}
	row := Row{Field: field, Label: LabelOf(field), Now: items(values)}
	if !hasBaseline {
		return row, nil
	}
	before := now
	change, changed := i.findChange(field)
	if changed {
		before = change.Before
	}
	if values, err = listValues(field, before); err != nil {
		return Row{}, err
	}
	row.Before, row.Changed = items(values), changed
	if changed {
		markDifferences(&row)
		if field == "common_name" {
			markPatterns(&row) // people read it as they read a name
		}
	}
	return row, nil
}

// markDifferences marks the values of a set that only one side has.
func markDifferences(row *Row) {
	markMissing(row.Now, row.Before, New)
	markMissing(row.Before, row.Now, Gone)
}

func markMissing(list, others []Item, mark Mark) {
	for n := range list {
		if !slices.ContainsFunc(others, func(o Item) bool { return o.Text == list[n].Text }) {
			list[n].Marks = append(list[n].Marks, mark)
		}
	}
}

func (i issuance) keyRow(hasBaseline bool) Row {
	row := Row{Field: "key", Label: LabelOf("key"), Now: []Item{{Text: formatKey(i.subject.Key)}}}
	if !hasBaseline {
		return row
	}
	row.Changed = i.context.KeyChanged
	switch {
	case !row.Changed:
		row.Before = slices.Clone(row.Now)
		return row
	case i.context.Current != nil && i.context.Current.Approved:
		row.Before = []Item{{Text: formatKey(i.context.Current.Key)}}
	default:
		row.Before = []Item{{Text: "a different key"}}
	}
	markDifferences(&row)
	return row
}

// formatKey returns "ECDSA, 256 bits, SHA-256 1f2e...".
func formatKey(k api.Key) string {
	return fmt.Sprintf("%s, %d bits, SHA-256 %s", k.Algorithm, k.Size, k.SPKISHA256)
}

// namesRow has the names most dangerous first, then in their own order.
func (i issuance) namesRow(hasBaseline bool) Row {
	before := i.baselineNames()
	row := Row{Field: "sans", Label: LabelOf("sans"), Changed: hasBaseline && len(i.context.NamesAdded)+len(i.context.NamesRemoved) > 0}
	for _, name := range i.subject.SANs {
		row.Now = append(row.Now, i.markName(name, hasBaseline))
	}
	slices.SortStableFunc(row.Now, func(a, b Item) int { return rank(a) - rank(b) })
	slices.Sort(before)
	for _, name := range before {
		item := Item{Text: name, Decoded: decodedForm(name)}
		if slices.Contains(i.context.NamesRemoved, name) {
			item.Marks = []Mark{Gone}
		}
		row.Before = append(row.Before, item)
	}
	return row
}

// rank orders names by their first mark. A name without a mark comes last.
func rank(item Item) int {
	if len(item.Marks) == 0 {
		return 100
	}
	return slices.Index([]Mark{LookAlike, International, Wildcard, New, Elsewhere, Gone}, item.Marks[0])
}

// baselineNames returns the names of the leaf that a human approved last, those that remain first.
func (i issuance) baselineNames() []string {
	return append(without(i.subject.SANs, i.context.NamesAdded), i.context.NamesRemoved...)
}

// without returns the elements of list that others lacks.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// markName marks one name of the request. Only a new name can be a look-alike: a human has approved the others.
func (i issuance) markName(name string, hasBaseline bool) Item {
	item := Item{Text: name, Decoded: decodedForm(name)}
	isNew := slices.Contains(i.context.NamesAdded, name)
	if isNew {
		item.Resembles = i.findResembled(name)
	}
	for _, h := range i.holders {
		if slices.ContainsFunc(h.SANs, func(other string) bool { return covers(name, other) || covers(other, name) }) {
			item.HeldBy = append(item.HeldBy, h.ID)
		}
	}
	for _, mark := range []struct {
		mark    Mark
		applies bool
	}{
		{LookAlike, item.Resembles != ""},
		{International, item.Decoded != ""},
		{Wildcard, strings.HasPrefix(name, "*.")},
		{New, isNew && hasBaseline},
		{Elsewhere, len(item.HeldBy) > 0},
	} {
		if mark.applies {
			item.Marks = append(item.Marks, mark.mark)
		}
	}
	return item
}

// findResembled compares a new name with the names that are in use, and then with the other new names. A new name that
// resembles one in use is left out there: otherwise a right name would be said to resemble a wrong one.
func (i issuance) findResembled(name string) string {
	inUse := i.baselineNames()
	for _, h := range i.holders {
		inUse = append(inUse, h.SANs...)
	}
	if resembled := firstResembled(name, inUse); resembled != "" {
		return resembled
	}
	return firstResembled(name, slices.DeleteFunc(slices.Clone(i.context.NamesAdded), func(other string) bool {
		return firstResembled(other, inUse) != ""
	}))
}

// covers reports whether two names are equal, or the first is a wildcard that stands for the second.
func covers(name, other string) bool {
	if name == other {
		return true
	}
	domain, isWildcard := strings.CutPrefix(name, "*.")
	_, parent, _ := strings.Cut(other, ".")
	return isWildcard && parent == domain
}

func decodedForm(name string) string {
	if decoded := decode(name); decoded != name {
		return decoded
	}
	return ""
}

func (i issuance) listNews() []fact {
	switch {
	case i.context.Request == api.RequestFirst:
		return []fact{{"first certificate", nil}, {Count(len(i.subject.SANs), "name"), i.subject.SANs}}
	case !i.hasBaseline():
		return []fact{{"no person has approved an earlier certificate", nil}, {Count(len(i.subject.SANs), "name"), i.subject.SANs}}
	}
	var news []fact
	if added := i.context.NamesAdded; len(added) > 0 {
		news = append(news, fact{Count(len(added), "new name"), added})
	}
	if removed := i.context.NamesRemoved; len(removed) > 0 {
		news = append(news, fact{Count(len(removed), "name") + " gone", removed})
	}
	for _, change := range i.context.OtherChanges {
		news = append(news, fact{LabelOf(strings.TrimPrefix(change.Pointer, "/")) + " changed", nil})
	}
	if i.context.KeyChanged {
		news = append(news, fact{"new key", nil})
	}
	if len(news) == 0 {
		return []fact{{"nothing new: the same names and key", nil}}
	}
	return news
}

// maxWarnedNames is how many look-alikes have a sentence of their own.
const maxWarnedNames = 5

func (i issuance) listWarnings(names []Item) []Warning {
	var warnings []Warning
	warned := map[string]bool{}
	for _, n := range names {
		if n.Resembles != "" && !warned[n.Resembles] && len(warnings) < maxWarnedNames {
			warnings = append(warnings, Warning{"%s looks like %s.", []string{n.Text, n.Resembles}})
			warned[n.Text] = true
		}
	}
	for _, n := range names {
		if slices.Contains(n.Marks, Wildcard) && slices.Contains(i.context.NamesAdded, n.Text) {
			warnings = append(warnings, Warning{"%s stands for every name directly under %s.", []string{n.Text, strings.TrimPrefix(n.Text, "*.")}})
		}
	}
	if rejected := len(i.approval.Rejections); rejected == 1 {
		warnings = append(warnings, Warning{Text: "1 request for these names was rejected before."})
	} else if rejected > 1 {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%d requests for these names were rejected before.", rejected)})
	}
	if others := i.context.OtherCertificates; others.Count > 0 {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%s with the same names or the same key.", haveHas(others.Count))})
	}
	if rules.HasFreeCommonName(i.subject.CertificateContent) {
		warnings = append(warnings, Warning{"The common name %s is none of the names.", []string{i.subject.CommonName}})
	}
	return warnings
}

func haveHas(n int64) string {
	if n == 1 {
		return "There is 1 other certificate"
	}
	return fmt.Sprintf("There are %d other certificates", n)
}

func (i issuance) confirm(names []Item) string {
	added, lookAlikes := len(i.context.NamesAdded), countLookAlikes(names)
	text := fmt.Sprintf("I approve %s for %s", Count(len(i.subject.SANs), "name"), i.subject.CertificateID)
	if len(i.subject.SANs) == 0 {
		text = fmt.Sprintf("I approve the common name of %s", i.subject.CertificateID)
	}
	switch {
	case i.hasBaseline() && added > 0:
		text += fmt.Sprintf(", %d of them new", added)
	case !i.hasBaseline() && len(names) > 0:
		text += ", all of them new"
	case i.hasBaseline() && i.context.Request == api.RequestRenewal && !i.context.KeyChanged:
		text += ", as approved before"
	}
	if others := len(i.context.OtherChanges); i.hasBaseline() && others > 0 {
		text += ", with " + Count(others, "other change")
	}
	switch lookAlikes {
	case 0:
		return text
	case 1:
		return text + ", 1 looks like another name"
	default:
		return fmt.Sprintf("%s, %d look like another name", text, lookAlikes)
	}
}

func countLookAlikes(names []Item) int {
	n := 0
	for _, name := range names {
		if name.Resembles != "" {
			n++
		}
	}
	return n
}
