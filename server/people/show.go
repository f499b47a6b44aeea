package people

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/review"
)

// view is all that a person sees of an approval.
type view struct {
	approval    api.Approval
	review      review.Review
	eligibility api.Eligibility
}

// showApproval writes an approval as a person reads it before deciding.
func (s *screen) showApproval(v view) {
	a := v.approval
	s.showRequest(a)
	s.showEnd(a)
	if a.Reason != "" {
		s.words("Reason, in the words of "+a.RequestedBy+":", a.Reason)
	}
	s.showReview(v)
	s.showHistory(a)
	s.showDeciders(v)
	s.blank()
	s.showDigest(a.Digest)
}

// showDigest writes a digest on a line of its own, so that it can be copied.
func (s *screen) showDigest(digest string) {
	s.print("Digest, computed from what is shown here:")
	s.indent("  ", digest)
}

// showRequest writes what is requested, by whom, and until when.
func (s *screen) showRequest(a api.Approval) {
	s.printStyled(styleTitle, fmt.Sprintf("%s: %s", a.ID, describeKind(a)))
	s.field("profile", describeProfile(a))
	s.field("asked by", describeRequester(a))
	s.field("asked", s.when(a.CreatedAt))
	s.field("state", string(a.State))
	if a.State == api.ApprovalPending {
		s.field("expires", s.when(a.ExpiresAt))
	}
	if len(a.StandsFor) > 0 {
		s.field("stands for", strings.Join(a.StandsFor, ", ")+", who may decide")
	}
	if len(a.AlsoExcluded) > 0 {
		s.field("also excluded", strings.Join(a.AlsoExcluded, ", "))
	}
	if c := a.Context; c != nil && c.Current != nil {
		s.field("signed now", s.describeCurrent(*c.Current))
	}
}

func describeKind(a api.Approval) string {
	switch {
	case a.Kind == api.ApprovalProfileEdit:
		return "edit of profile " + orDash(a.ProfileID)
	case a.Context == nil:
		return "certificate " + orDash(a.CertificateID)
	case a.Context.Request == api.RequestFirst:
		return "first certificate of " + orDash(a.CertificateID)
	default:
		return string(a.Context.Request) + " of " + orDash(a.CertificateID)
	}
}

func describeProfile(a api.Approval) string {
	if a.ProfileID == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", *a.ProfileID, a.ProfileName)
}

// describeRequester names the principal, and the accountable person of a service.
func describeRequester(a api.Approval) string {
	if a.RequestedBy == a.Accountable {
		return a.RequestedBy
	}
	return fmt.Sprintf("%s (for %s)", a.RequestedBy, a.Accountable)
}

func (s *screen) describeCurrent(leaf api.CurrentLeaf) string {
	by := "no human approved it"
	if leaf.Approved {
		by = "a human approved it"
	}
	return fmt.Sprintf("serial number %s, ends %s, %s", leaf.SerialNumber, s.when(leaf.NotAfter), by)
}

// showEnd writes what became of an approval that does not wait any more.
func (s *screen) showEnd(a api.Approval) {
	switch {
	case a.DecidedBy != nil:
		s.field("decided by", fmt.Sprintf("%s, %s", *a.DecidedBy, s.whenOrDash(a.DecidedAt)))
	case a.ClosedBy != nil:
		s.field("closed by", fmt.Sprintf("%s, %s", *a.ClosedBy, s.whenOrDash(a.ClosedAt)))
	}
	if a.Cause != nil {
		s.field("cause", a.Cause.Words())
	}
	if a.Note != "" {
		s.words("Note, in the words of "+*cmp.Or(a.DecidedBy, a.ClosedBy, &a.RequestedBy)+":", a.Note)
	}
}

// showReview writes the warnings, and what would be signed beside what a human approved last.
func (s *screen) showReview(v view) {
	s.blank()
	for _, warning := range v.review.Warnings {
		s.warn(warning.Format(func(name string) string { return name }))
	}
	if v.approval.Undecidable {
		s.warn("Nobody can decide this request: every enabled approver is excluded.")
	}
	s.printStyled(styleTitle, headingOf(v))
	for _, row := range v.review.Rows {
		s.showRow(row)
	}
	if len(v.approval.CSRIgnored) > 0 {
		s.printStyled(styleTitle, "In the CSR, and not signed:")
		for _, part := range v.approval.CSRIgnored {
			s.indent("  ", part.What+": "+part.Value)
		}
	}
}

func headingOf(v view) string {
	verb := "To be signed"
	if v.approval.State != api.ApprovalPending {
		verb = "Requested"
	}
	switch {
	case v.approval.Kind == api.ApprovalProfileEdit:
		return "The edit (+ after, - before):"
	case v.review.HasBaseline:
		return verb + " (+ new, - no more, compared with what a human approved last):"
	default:
		return verb + " (all of it is new):"
	}
}

// showRow writes one field of the subject.
func (s *screen) showRow(row review.Row) {
	if !row.Changed && len(row.Now) == 1 && len(row.Now[0].Marks) == 0 {
		s.indent("  ", row.Label+": "+row.Now[0].Text)
		return
	}
	s.indent("  ", row.Label+":")
	for _, item := range row.Now {
		sign := "    "
		if row.Changed && slices.Contains(item.Marks, review.New) {
			sign = "  + "
		}
		s.showItem(sign, item)
	}
	for _, item := range row.Before {
		if slices.Contains(item.Marks, review.Gone) {
			s.showItem("  - ", item)
		}
	}
	if len(row.Now) == 0 && row.Changed {
		s.indent("    ", "none")
	}
}

// showItem writes a value, and below it what is unusual about the value.
func (s *screen) showItem(sign string, item review.Item) {
	s.indent(sign, item.Text)
	for _, mark := range item.Marks {
		if text := describeMark(mark, item); text != "" {
			s.indentStyled(styleWarning, "      ^ ", text)
		}
	}
}

// describeMark says what a mark means; empty for a mark that the sign of the line shows.
func describeMark(mark review.Mark, item review.Item) string {
	switch mark {
	case review.LookAlike:
		return "look-alike: can be taken for " + item.Resembles
	case review.International:
		return "international: is " + item.Decoded
	case review.Wildcard:
		return "wildcard: stands for every name directly under it"
	case review.Elsewhere:
		return "elsewhere: also in " + strings.Join(item.HeldBy, ", ")
	default:
		return ""
	}
}

// showHistory writes who changed what, which other certificates share something, and what was decided before.
func (s *screen) showHistory(a api.Approval) {
	if c := a.Context; c != nil && len(c.ChangedBy) > 0 {
		s.printStyled(styleTitle, "Who wrote it:")
		for _, change := range c.ChangedBy {
			s.indent("  ", s.describeChange(change))
		}
	}
	if c := a.Context; c != nil && c.OtherCertificates.Count > 0 {
		s.field("others", fmt.Sprintf("%d with one of these names or this key: %s", c.OtherCertificates.Count, strings.Join(c.OtherCertificates.IDs, ", ")))
	}
	for _, r := range a.Rejections {
		s.words(fmt.Sprintf("Rejected before: %s for %s, by %s, %s:", r.ApprovalID, r.CertificateID, r.DecidedBy, s.when(r.DecidedAt)), cmp.Or(r.Note, "(no note)"))
	}
	if p := a.Previous; p != nil && a.PreviousApprovalID != nil && len(a.Rejections) == 0 {
		s.showPrevious(*a.PreviousApprovalID, *p)
	}
}

func (s *screen) describeChange(c api.AuthoredChange) string {
	by := c.By
	if c.By != c.Accountable {
		by = fmt.Sprintf("%s (for %s)", c.By, c.Accountable)
	}
	seen := "no second person has seen it"
	if c.SeenBy != nil {
		seen = "approved by " + *c.SeenBy
	}
	labels := make([]string, len(c.Fields))
	for i, field := range c.Fields {
		labels[i] = strings.ToLower(review.LabelOf(field))
	}
	return fmt.Sprintf("%s: %s, %s; %s", by, strings.Join(labels, ", "), s.when(c.At), seen)
}

func (s *screen) showPrevious(id string, p api.PreviousRequest) {
	text := fmt.Sprintf("%s was %s", id, p.State)
	if p.DecidedBy != nil {
		text += fmt.Sprintf(" by %s, %s", *p.DecidedBy, s.whenOrDash(p.DecidedAt))
	}
	s.field("before", text)
	if p.Note != "" {
		s.words("Note on "+id+":", p.Note)
	}
}

// showDeciders writes who may decide, who may not, and whether the caller may.
func (s *screen) showDeciders(v view) {
	if v.approval.State != api.ApprovalPending {
		return
	}
	s.blank()
	s.field("may decide", cmp.Or(strings.Join(v.eligibility.May, ", "), "nobody"))
	people := map[string][]string{}
	var reasons []string
	for _, person := range v.eligibility.MayNot {
		if people[person.Why] == nil {
			reasons = append(reasons, person.Why)
		}
		people[person.Why] = append(people[person.Why], person.Principal)
	}
	for _, why := range reasons {
		s.field("may not", fmt.Sprintf("%s (%s)", strings.Join(people[why], ", "), why))
	}
	if me := v.eligibility.Me; !me.May {
		s.warn("You may not decide: " + me.Why + ".")
	}
}

// orDash returns a text, or a dash for none.
func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

// showOn is showApproval on a file.
func (v view) showOn(out *os.File, exact bool) error {
	s := newScreen(out, exact)
	s.showApproval(v)
	return s.done()
}
