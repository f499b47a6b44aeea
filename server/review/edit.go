package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

func ofEdit(a api.Approval) (Review, error) {
	subject, err := readSubject[api.EditSubject](a)
	if err != nil {
		return Review{}, err
	}
	changes, err := rules.ListChanges(subject.Before.Spec(), subject.After.Spec())
	if err != nil {
		return Review{}, fmt.Errorf("compare the rules of %s: %w", a.ID, err)
	}
	r := Review{HasBaseline: true, Confirm: confirmEdit(subject, changes)}
	for _, change := range changes {
		row, err := editRow(change)
		if err != nil {
			return Review{}, err
		}
		r.Rows = append(r.Rows, row)
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return rankField(a.Field) - rankField(b.Field) })
	for _, row := range r.Rows {
		r.news = append(r.news, editFact(row))
	}
	r.Warnings = append(warnOfLookAlikes(r.Rows), warnOfEdit(a, subject)...)
	return r, nil
}

// rankField puts the gate first.
func rankField(field string) int {
	if field == "requires_approval" {
		return 0
	}
	return 1
}

func editRow(change api.Change) (Row, error) {
	field := strings.TrimPrefix(change.Pointer, "/")
	now, err := listRuleValues(field, change.After)
	if err != nil {
		return Row{}, err
	}
	before, err := listRuleValues(field, change.Before)
	if err != nil {
		return Row{}, err
	}
	row := Row{Field: field, Label: LabelOf(field), Now: items(now), Before: items(before), Changed: true}
	markDifferences(&row)
	if slices.Contains(patternFields, field) {
		markPatterns(&row)
	}
	return row, nil
}

// patternFields are the rules whose values are patterns of names.
var patternFields = []string{"allowed_dns_names", "allowed_uris", "allowed_email_domains", "allowed_common_names"}

// markPatterns marks new patterns, or a new common name, as names are marked: a pattern that can be taken for another allows
// names that can.
func markPatterns(row *Row) {
	known := make([]string, len(row.Before))
	for n, item := range row.Before {
		known[n] = item.Text
	}
	for n := range row.Now {
		item := &row.Now[n]
		item.Decoded = decodedForm(item.Text)
		if item.Decoded != "" {
			item.Marks = slices.Insert(item.Marks, 0, International)
		}
		if !slices.Contains(item.Marks, New) {
			continue
		}
		if item.Resembles = firstResembled(item.Text, known); item.Resembles != "" {
			item.Marks = slices.Insert(item.Marks, 0, LookAlike)
		}
	}
}

func warnOfLookAlikes(rows []Row) []Warning {
	var warnings []Warning
	for _, row := range rows {
		for _, item := range row.Now {
			if item.Resembles != "" && len(warnings) < maxWarnedNames {
				warnings = append(warnings, Warning{"%s looks like %s.", []string{item.Text, item.Resembles}})
			}
		}
	}
	return warnings
}

// editFact says of a set what it gains and loses, of any other field that it changes.
func editFact(row Row) fact {
	added, removed := marked(row.Now, New), marked(row.Before, Gone)
	switch {
	case len(row.Now) <= 1 && len(row.Before) <= 1 && !isNameList(row.Field):
		return fact{fmt.Sprintf("%s: %s, was %s", row.Label, oneText(row.Now), oneText(row.Before)), nil}
	case len(removed) == 0:
		return fact{fmt.Sprintf("%s: %d added", row.Label, len(added)), added}
	case len(added) == 0:
		return fact{fmt.Sprintf("%s: %d removed", row.Label, len(removed)), removed}
	default:
		return fact{fmt.Sprintf("%s: %d removed, %d added", row.Label, len(removed), len(added)), added}
	}
}

// isNameList reports whether the values of a field are names or text of users, which a message may have to leave out.
func isNameList(field string) bool {
	return slices.Contains([]string{
		"name", "allowed_dns_names", "allowed_ip_ranges", "allowed_uris", "allowed_email_domains", "allowed_common_names", "subject_attributes",
	}, field)
}

func marked(list []Item, mark Mark) []string {
	var texts []string
	for _, item := range list {
		if slices.Contains(item.Marks, mark) {
			texts = append(texts, item.Text)
		}
	}
	return texts
}

func oneText(list []Item) string {
	if len(list) == 0 {
		return "none"
	}
	return list[0].Text
}

func turnsGateOff(s api.EditSubject) bool {
	return s.Before.RequiresApproval && !s.After.RequiresApproval
}

func warnOfEdit(a api.Approval, s api.EditSubject) []Warning {
	var warnings []Warning
	if turnsGateOff(s) {
		warnings = append(warnings, Warning{"Certificates under %s will need no second person.", []string{s.ProfileID}})
	}
	warnings = append(warnings, warnOfWideRules(s.Before.Spec(), s.After.Spec())...)
	if s.After.AllowWildcardNames && !s.Before.AllowWildcardNames {
		warnings = append(warnings, Warning{Text: "Wildcard names will be allowed."})
	}
	if a.Effects != nil && a.Effects.RenewalsBlocked > 0 {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%s can be renewed now and cannot after the edit.", Count(a.Effects.RenewalsBlocked, "certificate"))})
	}
	if a.Effects != nil && a.Effects.JobsCancelled > 0 {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%s will be cancelled.", Count(a.Effects.JobsCancelled, "open request"))})
	}
	return warnings
}

// confirmEdit counts the changes that allow more: they are those that a second person is asked for.
func confirmEdit(s api.EditSubject, changes []api.Change) string {
	before, after := s.Before.Spec(), s.After.Spec()
	allowMore := 0
	for _, change := range changes {
		if allowsMore(strings.TrimPrefix(change.Pointer, "/"), before, after) {
			allowMore++
		}
	}
	text := fmt.Sprintf("I approve %s to the rules of %s", Count(len(changes), "change"), s.ProfileID)
	if turnsGateOff(s) {
		text = fmt.Sprintf("I approve that certificates under %s need no second person", s.ProfileID)
		if len(changes) > 1 {
			text += fmt.Sprintf(", and %s to its rules", Count(len(changes)-1, "other change"))
		}
	}
	switch allowMore {
	case 0:
		return text
	case 1:
		return text + ", 1 of which allows more"
	default:
		return text + fmt.Sprintf(", %d of which allow more", allowMore)
	}
}
