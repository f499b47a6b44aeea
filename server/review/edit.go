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
	r := Review{HasBaseline: true, Confirm: confirmEdit(subject, len(changes))}
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
	r.Warnings = warnOfEdit(a, subject)
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
	now, err := listValues(field, change.After)
	if err != nil {
		return Row{}, err
	}
	before, err := listValues(field, change.Before)
	if err != nil {
		return Row{}, err
	}
	row := Row{Field: field, Label: LabelOf(field), Now: items(now), Before: items(before), Changed: true}
	markDifferences(&row)
	return row, nil
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
	for _, pattern := range s.After.AllowedDNSNames {
		if pattern == "**" && !slices.Contains(s.Before.AllowedDNSNames, pattern) {
			warnings = append(warnings, Warning{Text: "Every DNS name will be allowed."})
		}
	}
	if s.After.AllowWildcardNames && !s.Before.AllowWildcardNames {
		warnings = append(warnings, Warning{Text: "Wildcard names will be allowed."})
	}
	if a.Effects != nil && a.Effects.RenewalsBlocked > 0 {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%s can be renewed now and cannot after the edit.", count(a.Effects.RenewalsBlocked, "certificate"))})
	}
	if a.Effects != nil && a.Effects.JobsCancelled > 0 {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%s will be cancelled.", count(a.Effects.JobsCancelled, "open request"))})
	}
	return warnings
}

func confirmEdit(s api.EditSubject, changes int) string {
	if !turnsGateOff(s) {
		return fmt.Sprintf("I approve %s to the rules of %s", count(changes, "change"), s.ProfileID)
	}
	text := fmt.Sprintf("I approve that certificates under %s need no second person", s.ProfileID)
	if changes > 1 {
		text += fmt.Sprintf(", and %s to its rules", count(changes-1, "other change"))
	}
	return text
}
