package people

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/review"
)

// approvalPrefix begins each id of an approval.
const approvalPrefix = "ar-"

// ApprovalsCommand are the commands for requests.
type ApprovalsCommand struct {
	List     ApprovalsList    `cmd:"" help:"List requests, those that wait by default. If none matches, the exit code is 5."`
	Show     ApprovalsShow    `cmd:"" help:"Print a request: what would be signed, what is new, and who may decide."`
	Approve  ApprovalApprove  `cmd:"" help:"Print a request, ask, and approve exactly what was printed."`
	Reject   ApprovalReject   `cmd:"" help:"Reject a request. On a terminal it asks for a note."`
	Withdraw ApprovalWithdraw `cmd:"" help:"Withdraw a request of yours, or as an operator one of a service."`
}

// ApprovalsList lists approvals.
type ApprovalsList struct {
	Server
	Format
	State       []api.ApprovalState `default:"pending" enum:"pending,approved,rejected,expired,cancelled" help:"pending, approved, rejected, expired or cancelled. May be repeated."`
	Kind        api.ApprovalKind    `enum:",issuance,profile_edit" default:"" help:"issuance or profile_edit."`
	Profile     string              `placeholder:"ID" help:"Only requests under this profile."`
	Certificate string              `placeholder:"ID" help:"Only requests for this certificate."`
	RequestedBy string              `placeholder:"HANDLE" help:"Only requests of this principal."`
	DecidedBy   string              `placeholder:"HANDLE" help:"Only requests that this principal decided."`
	Since       time.Duration       `placeholder:"DURATION" help:"Only requests that were made in this time, such as 12h or 7d."`
	Order       api.ApprovalOrder   `default:"oldest" enum:"oldest,newest,expires_at" help:"oldest, newest or expires_at."`
	Limit       int                 `help:"At most this many; 0 for all."`
}

// Run implements the command.
func (c *ApprovalsList) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	limit, err := pageOf(c.Limit)
	if err != nil {
		return err
	}
	found, err := collect(s.ListApprovals(ctx, client.ListApprovalsOptions{
		Page: limit, Order: c.Order,
		ApprovalFilter: client.ApprovalFilter{
			States: c.State, Kind: c.Kind, ProfileID: c.Profile, CertificateID: c.Certificate,
			RequestedBy: c.RequestedBy, DecidedBy: c.DecidedBy, Since: ago(c.Since),
		},
	}), c.Limit)
	switch {
	case err != nil:
		return explain(err, "")
	case c.isJSON():
		err = s.printList(c.Limit)
	case len(found) > 0:
		err = newScreen(os.Stdout, c.Exact).listApprovals(found)
	}
	if err == nil && len(found) == 0 {
		err = fail(ExitNoMatch, "", "no request matches")
	}
	return explain(err, "")
}

// ago returns the time before now; zero for zero.
func ago(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(-d)
}

// pageOf returns the page for a limit of a list.
func pageOf(limit int) (client.Page, error) {
	const most = 500
	switch {
	case limit < 0:
		return client.Page{}, fail(ExitUsage, "", "--limit must not be negative")
	case limit == 0:
		return client.Page{Limit: most}, nil
	default:
		return client.Page{Limit: min(limit, most)}, nil
	}
}

// collect reads at most limit elements of a list; 0 for all.
func collect[T any](list iter.Seq2[T, error], limit int) ([]T, error) {
	var all []T
	for v, err := range list {
		if err != nil {
			return nil, err
		}
		if all = append(all, v); len(all) == limit {
			break
		}
	}
	return all, nil
}

// listApprovals writes a table. The state is a column if some request does not wait.
func (s *screen) listApprovals(all []api.Approval) error {
	const leastNews = 20
	columns := []column{
		{title: "ID", whole: true},
		{title: "WHAT"},
		{title: "BY"},
		{title: "NEW", least: leastNews},
		{title: "ASKED", optional: true},
		{title: "EXPIRES"},
		{title: "PROFILE", optional: true},
	}
	ended := slices.ContainsFunc(all, func(a api.Approval) bool { return a.State != api.ApprovalPending })
	if ended {
		columns = append(columns, column{title: "STATE"})
	}
	rows := make([][]string, len(all))
	for i, a := range all {
		expires := "-"
		if a.State == api.ApprovalPending {
			expires = s.when(a.ExpiresAt)
		}
		rows[i] = []string{a.ID, describeObject(a), describeRequester(a), newsOf(a), s.when(a.CreatedAt), expires, a.ProfileName}
		if ended {
			rows[i] = append(rows[i], string(a.State))
		}
	}
	s.table(columns, rows)
	return s.done()
}

// describeObject names what an approval is about.
func describeObject(a api.Approval) string {
	if a.CertificateID != nil {
		return *a.CertificateID
	}
	return "edit of " + orDash(a.ProfileID)
}

// newsOf says in one line what is new.
func newsOf(a api.Approval) string {
	r, err := review.Of(a, nil)
	if err != nil {
		return "unknown: a newer certctl can show it"
	}
	return r.News(func(name string) string { return name })
}

// ApprovalsShow prints an approval.
type ApprovalsShow struct {
	Server
	Format
	ID string `arg:"" help:"The id of the request, ar-..."`
}

// Run implements the command.
func (c *ApprovalsShow) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	if c.isJSON() {
		if _, err := s.GetApproval(ctx, c.ID); err != nil {
			return explain(err, c.ID)
		}
		return explain(s.printAnswer(), "")
	}
	v, err := s.view(ctx, c.ID)
	if err != nil {
		return explain(err, c.ID)
	}
	return v.showOn(os.Stdout, c.Exact)
}

// view reads an approval and all that helps to decide on it. It returns an error if the digest is not that of what a person
// sees.
func (s *session) view(ctx context.Context, id string) (view, error) {
	a, err := s.GetApproval(ctx, id)
	if err != nil {
		return view{}, err
	}
	if err := checkDigest(a.Kind, a.Subject, a.Digest); err != nil {
		return view{}, err
	}
	holders, err := s.findHolders(ctx, a.Context)
	if err != nil {
		return view{}, err
	}
	r, err := review.Of(a, holders)
	if err != nil {
		return view{}, err
	}
	e, err := s.GetEligibility(ctx, id)
	return view{a, r, e}, err
}

// checkDigest computes the digest of the fields that this program knows. So nobody decides on a field that the program does
// not show.
func checkDigest(kind api.ApprovalKind, subject json.RawMessage, digest string) error {
	var known any = &api.IssuanceSubject{}
	if kind == api.ApprovalProfileEdit {
		known = &api.EditSubject{}
	}
	if err := json.Unmarshal(subject, known); err != nil {
		return fmt.Errorf("read the subject: %w", err)
	}
	_, ofKnown, err := rules.Canonicalize(known)
	if err != nil || ofKnown == digest {
		return err
	}
	_, ofAll, err := rules.Canonicalize(subject)
	switch {
	case err != nil:
		return err
	case ofAll == digest:
		return fail(ExitFailed, "Use the version of the server.", "this version of certctl cannot show all of the request")
	default:
		return fail(ExitFailed, "Tell the operator of the server.", "the digest %s is not that of the subject", digest)
	}
}

// findHolders reads the other certificates with the same names. One that was archived meanwhile is left out.
func (s *session) findHolders(ctx context.Context, c *api.IssuanceContext) ([]review.Holder, error) {
	if c == nil {
		return nil, nil
	}
	var holders []review.Holder
	for _, id := range c.OtherCertificates.IDs {
		other, err := s.GetCertificate(ctx, id)
		if api.Is(err, api.CodeNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		holders = append(holders, review.Holder{ID: id, SANs: other.SANs})
	}
	return holders, nil
}

// decisionFlags are the flags of approve and reject.
type decisionFlags struct {
	Note   string `help:"A note that is kept on the request."`
	Digest string `placeholder:"sha256:HEX" help:"Only decide if this is the digest of the request. For scripts."`
}

// ApprovalApprove approves a request.
type ApprovalApprove struct {
	Server
	Format
	decisionFlags
	Yes bool   `help:"Do not ask. Without a terminal this flag is required."`
	ID  string `arg:"" help:"The id of the request, ar-..."`
}

const undecided = "nothing was decided"

// Run implements the command.
func (c *ApprovalApprove) Run(ctx context.Context, version Version) error {
	if !c.Yes && !canAsk() {
		return fail(ExitUsage, "Give --yes to approve without being asked.", undecided+": there is no terminal to ask on")
	}
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	v, err := s.view(ctx, c.ID)
	if err != nil {
		return explain(err, c.ID)
	}
	if err := v.showOn(os.Stderr, c.Exact); err != nil {
		return err
	}
	if c.Digest != "" && c.Digest != v.approval.Digest {
		return fail(ExitEnded, "Read it again before you decide.", "%s: the digest of %s is %s", undecided, c.ID, v.approval.Digest)
	}
	if !c.Yes {
		if err := s.confirmApproval(ctx, v); err != nil {
			return explain(err, c.ID)
		}
	}
	done, err := s.ApproveApproval(ctx, c.ID, api.Decision{Note: c.Note, Digest: v.approval.Digest})
	if err != nil {
		return explain(err, c.ID)
	}
	sentence, next := describeApproved(done)
	return c.printResult(s, sentence, next)
}

// confirmApproval asks whether to approve, unless the caller may not.
func (s *session) confirmApproval(ctx context.Context, v view) error {
	if me := v.eligibility.Me; !me.May {
		code := ExitRefused
		if v.approval.State != api.ApprovalPending || v.approval.ExpiresAt.Before(time.Now()) {
			code = ExitEnded
		}
		return fail(code, "", "%s: %s", undecided, me.Why)
	}
	me, err := s.GetMe(ctx)
	if err != nil {
		return err
	}
	out := newScreen(os.Stderr, false)
	out.blank()
	out.print(v.review.Confirm + ".")
	return confirm(ctx, visible(fmt.Sprintf("Approve %s as %s?", v.approval.ID, me.ID)), undecided)
}

// describeApproved says what happens next, and the command that shows it.
func describeApproved(a api.Approval) (sentence, next string) {
	if a.CertificateID == nil {
		return fmt.Sprintf("Approved %s. The edit of %s applies from now on.", a.ID, orDash(a.ProfileID)), ""
	}
	return fmt.Sprintf("Approved %s. The server signs it now.", a.ID), "certctl certificates show " + *a.CertificateID
}

// printResult writes the answer, or a sentence about it and the next command.
func (f Format) printResult(s *session, sentence, next string) error {
	if f.isJSON() {
		return explain(s.printAnswer(), "")
	}
	out := newScreen(os.Stdout, f.Exact)
	out.print(sentence)
	if next != "" {
		out.indent("  ", next)
	}
	return out.done()
}

// ApprovalReject rejects a request.
type ApprovalReject struct {
	Server
	Format
	decisionFlags
	ID string `arg:"" help:"The id of the request, ar-..."`
}

// Run implements the command.
func (c *ApprovalReject) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	if c.Note == "" && canAsk() {
		a, err := s.GetApproval(ctx, c.ID)
		if err != nil {
			return explain(err, c.ID)
		}
		newScreen(os.Stderr, false).print(fmt.Sprintf("%s: %s, asked by %s.", a.ID, describeKind(a), describeRequester(a)))
		if c.Note, err = ask(ctx, "Reject it. Note for the requester (Ctrl-C to stop): ", undecided); err != nil {
			return explain(err, c.ID)
		}
	}
	done, err := s.RejectApproval(ctx, c.ID, api.Decision{Note: c.Note, Digest: c.Digest})
	if err != nil {
		return explain(err, c.ID)
	}
	return c.printResult(s, fmt.Sprintf("Rejected %s. Nothing is signed.", done.ID), "")
}

// ApprovalWithdraw withdraws a request.
type ApprovalWithdraw struct {
	Server
	Format
	Note string `help:"A note that is kept on the request."`
	ID   string `arg:"" help:"The id of the request, ar-..."`
}

// Run implements the command.
func (c *ApprovalWithdraw) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	done, err := s.WithdrawApproval(ctx, c.ID, api.Withdrawal{Note: c.Note})
	if err != nil {
		return explain(err, c.ID)
	}
	return c.printResult(s, fmt.Sprintf("Withdrew %s. Nothing is signed.", done.ID), "")
}
