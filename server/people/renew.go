package people

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/review"
)

// CertificateRenew requests a new leaf.
type CertificateRenew struct {
	Server
	Format
	CSR         string   `name:"csr" type:"existingfile" placeholder:"FILE" help:"A new certificate request in PEM. Without it the stored one is signed."`
	Reason      string   `help:"Why, for the approvers."`
	Digest      string   `placeholder:"sha256:HEX" help:"Only request it if this is the digest of what would be signed. For scripts."`
	AlsoExclude []string `sep:"none" placeholder:"HANDLE" help:"Another person who may not decide. May be repeated."`
	StandFor    []string `sep:"none" placeholder:"HANDLE" help:"Take over what this person wrote, so that they may decide. May be repeated."`
	Yes         bool     `help:"Do not ask. Without a terminal this flag is required."`
	ID          string   `arg:"" help:"The id of the certificate, mc-..."`
}

const unrequested = "nothing was requested"

// Run implements the command.
func (c *CertificateRenew) Run(ctx context.Context, version Version) error {
	if !c.Yes && !canAsk() {
		return fail(ExitUsage, "Give --yes to request it without being asked.", unrequested+": there is no terminal to ask on")
	}
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	body, err := c.newBody()
	if err != nil {
		return explain(err, "")
	}
	preview, err := s.preview(ctx, c.ID, body)
	if err != nil {
		return explain(err, c.ID)
	}
	if c.Digest != "" && c.Digest != preview.Digest {
		return fail(ExitEnded, "Read it again before you request it.", "%s: the digest of what would be signed is %s", unrequested, preview.Digest)
	}
	if err := s.showPreview(ctx, c, preview); err != nil {
		return explain(err, c.ID)
	}
	if !c.Yes {
		if err := s.confirmRenewal(ctx, c.ID, preview.Outcome); err != nil {
			return explain(err, c.ID)
		}
	}
	body.Digest = preview.Digest
	job, err := s.RenewCertificate(ctx, c.ID, body)
	if err != nil {
		return explain(err, c.ID)
	}
	for _, warning := range job.Warnings {
		newScreen(os.Stderr, c.Exact).warn(warning)
	}
	sentence, next := describeRequested(job)
	return c.printResult(s, sentence, next)
}

// newBody returns the request without a digest.
func (c *CertificateRenew) newBody() (api.Renew, error) {
	body := api.Renew{Reason: c.Reason, AlsoExcluded: c.AlsoExclude, StandsFor: c.StandFor}
	if c.CSR == "" {
		return body, nil
	}
	text, err := os.ReadFile(c.CSR)
	if err != nil {
		return body, fail(ExitUsage, "", "the CSR cannot be read: %v", err)
	}
	body.CSRPEM = string(text)
	return body, nil
}

// preview returns what the renewal would sign. The server previews a stand only together with a digest, so the digest comes
// from a preview without one.
func (s *session) preview(ctx context.Context, id string, body api.Renew) (api.RenewalPreview, error) {
	plain := body
	plain.StandsFor = nil
	preview, err := s.previewOnce(ctx, id, plain)
	if err != nil || len(body.StandsFor) == 0 {
		return preview, err
	}
	body.Digest = preview.Digest
	return s.previewOnce(ctx, id, body)
}

// previewOnce returns a preview of a renewal that the server would not refuse.
func (s *session) previewOnce(ctx context.Context, id string, body api.Renew) (api.RenewalPreview, error) {
	preview, err := s.PreviewRenewal(ctx, id, body)
	switch {
	case err != nil:
		return preview, err
	case preview.Problem != nil:
		return preview, preview.Problem
	case preview.Outcome == api.RenewalRefused || preview.Context == nil:
		return preview, fail(ExitFailed, "", "the server would refuse the renewal")
	}
	return preview, checkDigest(api.ApprovalIssuance, preview.Subject, preview.Digest)
}

// showPreview writes what would be signed, and who could decide.
func (s *session) showPreview(ctx context.Context, c *CertificateRenew, p api.RenewalPreview) error {
	a := api.Approval{ID: c.ID, State: api.ApprovalPending, Kind: api.ApprovalIssuance, Subject: p.Subject, Context: p.Context}
	holders, err := s.findHolders(ctx, p.Context)
	if err != nil {
		return err
	}
	r, err := review.Of(a, holders)
	if err != nil {
		return err
	}
	out := newScreen(os.Stderr, c.Exact)
	out.printStyled(styleTitle, "Renewal of "+c.ID)
	if p.Context.Current != nil {
		out.field("signed now", out.describeCurrent(*p.Context.Current))
	}
	out.showReview(view{approval: a, review: r})
	out.showHistory(a)
	for _, warning := range p.Warnings {
		out.warn(warning)
	}
	out.blank()
	out.showFutureDeciders(p, c.StandFor)
	out.showDigest(p.Digest)
	return out.done()
}

// showFutureDeciders writes who could decide. The server tells whom the request would exclude.
func (s *screen) showFutureDeciders(p api.RenewalPreview, standFor []string) {
	if p.Outcome != api.RenewalWaits {
		s.field("decision", "none: it is signed at once")
		return
	}
	s.field("may decide", "every approver but "+strings.Join(p.Excluded, ", "))
	if len(standFor) > 0 {
		s.field("stands for", strings.Join(standFor, ", "))
	}
}

func (s *session) confirmRenewal(ctx context.Context, id string, outcome api.RenewalOutcome) error {
	me, err := s.GetMe(ctx)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("Request approval to renew %s as %s?", id, me.ID)
	if outcome == api.RenewalSigns {
		question = fmt.Sprintf("Renew %s as %s?", id, me.ID)
	}
	return confirm(ctx, visible(question), unrequested)
}

// describeRequested says what happens next, and the command that shows it.
func describeRequested(j api.Job) (sentence, next string) {
	if j.ApprovalID == nil {
		return fmt.Sprintf("Requested %s. The server signs it now.", j.ID), "certctl certificates show " + j.CertificateID
	}
	return fmt.Sprintf("Requested %s. It waits for a second person.", *j.ApprovalID), "certctl approvals show " + *j.ApprovalID
}
