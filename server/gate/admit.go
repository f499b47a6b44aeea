package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/zmap/zlint/v3/lint"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Gate decides what may be signed.
type Gate struct {
	store   *store.Store
	queue   *job.Queue
	issuers map[string]Issuer
	rules   lint.Registry
	bypass  bool
	log     *slog.Logger
}

// New makes the gate in front of the issuers, each under its id. bypass says whether this process takes what was
// approved by the bypass for approved.
func New(s *store.Store, queue *job.Queue, issuers map[string]Issuer, bypass bool, log *slog.Logger) (*Gate, error) {
	rules, err := rules5280()
	if err != nil {
		return nil, fmt.Errorf("choose lints: %w", err)
	}
	return &Gate{store: s, queue: queue, issuers: issuers, rules: rules, bypass: bypass, log: log}, nil
}

// Issuer is the issuer that a job's certificate comes from.
func (g *Gate) Issuer(j job.Job) (Issuer, error) {
	s, err := ReadSubject(j)
	if err != nil {
		return nil, err
	}
	return g.issuer(s.IssuerID)
}

// RefusedError says that the gate did not let a job pass and ended it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused by the sign gate: " + e.Reason }

// Intent is what the gate let through: one row per job, written once.
type Intent struct {
	JobID                   string `gorm:"primaryKey"`
	SerialNumber            string
	Digest                  string
	IssuerID                string
	IssuerGeneration        int
	IssuerFingerprintSHA256 string `gorm:"column:issuer_fingerprint_sha256"`
	NotBefore               time.Time
	NotAfter                time.Time
	TBS                     []byte `gorm:"column:tbs"`
	ProfileVersion          int64
	CertificateVersion      int64
	CreatedAt               time.Time
}

// Admit lets a claimed job pass, or ends it with a RefusedError. Any other error leaves the job to be tried again.
// A job that passed before gets a permit for the very bytes it had then. A program that is too old for the database
// lets nothing pass.
func (g *Gate) Admit(ctx context.Context, c job.Claim) (Permit, error) {
	// Draft and lint take their time, so they come before the locks; the transaction checks what they were made from.
	drafted, err := g.prepare(ctx, c)
	unsignable, err := split(err)
	if err != nil {
		return Permit{}, err
	}
	var permit Permit
	err = g.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.CheckProgram(); err != nil {
			return err
		}
		proposal, reason, err := g.check(tx, c)
		if err != nil {
			return err
		}
		if reason == "" && unsignable != nil {
			reason = unsignable.Error()
		}
		if reason != "" {
			return g.refuse(tx, c, reason)
		}
		if err := g.queue.Hold(tx, c); err != nil {
			return err
		}
		intent, err := g.intend(tx, c, proposal, drafted)
		if err != nil {
			return err
		}
		if tx.Now.After(intent.NotAfter) {
			return g.refuse(tx, c, "the certificate would have expired")
		}
		permit = Permit{tbs: intent.TBS, jobID: c.ID}
		return nil
	})
	return permit, err
}

// split tells what can never be signed from what could not be found out.
func split(err error) (*UnsignableError, error) {
	var unsignable *UnsignableError
	if errors.As(err, &unsignable) {
		return unsignable, nil
	}
	return nil, err
}

// prepare drafts what the job asks for, unless its intent holds the bytes already.
func (g *Gate) prepare(ctx context.Context, c job.Claim) (draft, error) {
	found := false
	err := g.store.Read(ctx, func(tx *store.Tx) (err error) {
		_, found, err = findIntent(tx, c.ID)
		return err
	})
	if err != nil || found {
		return draft{}, err
	}
	subject, err := stored(c.Job)
	if err != nil {
		return draft{}, &UnsignableError{api.Fault{Detail: err.Error()}}
	}
	return g.draft(subject, g.store.Now())
}

// check holds a job against what stands now. A reason says why the job must not pass; an error, that nobody knows.
func (g *Gate) check(tx *store.Tx, c job.Claim) (Proposal, string, error) {
	names, err := profile.ShareUngatedNames(tx)
	if err != nil {
		return Proposal{}, "", err
	}
	proposal, err := g.Propose(tx, c.CertificateUID, c.CSRPEM)
	if errors.Is(err, ErrNothingToSign) {
		return proposal, err.Error(), nil
	}
	if proposal.isDisabled() {
		return proposal, "", ErrProfileDisabled
	}
	unsignable, err := split(err)
	if err != nil {
		return proposal, "", err
	}
	if unsignable != nil {
		return proposal, unsignable.Error(), nil
	}
	if reason := standing(proposal, c.Subject, c.Digest); reason != "" {
		return proposal, reason, nil
	}
	reason, err := g.approved(tx, proposal, c.Job, names)
	return proposal, reason, err
}

// ErrProfileDisabled says that the job waits until its profile is enabled. It is no miss.
var ErrProfileDisabled = errors.New("the profile is disabled")

// standing holds a job's subject against the certificate and the profile: the same for approve and before a signature.
func standing(now Proposal, subject, digest string) string {
	switch {
	case now.Certificate.ArchivedAt != nil:
		return "the certificate is archived"
	case now.Subject.Canonical != subject || now.Subject.Digest != digest:
		return "subject changed"
	}
	if faults := now.Faults(); len(faults) > 0 {
		return "the profile does not allow it: " + inOneLine(faults)
	}
	return ""
}

func inOneLine(faults []api.Fault) string {
	details := make([]string, len(faults))
	for i, f := range faults {
		details[i] = strings.TrimSpace(f.Pointer + " " + f.Detail)
	}
	return strings.Join(details, "; ")
}

// approved holds the job against its approval. A gated profile needs one, and a job that has one needs it approved.
// What no human approved must be among the ungated names.
func (g *Gate) approved(tx *store.Tx, now Proposal, j job.Job, names rules.UngatedNames) (string, error) {
	if j.ApprovalID == nil {
		if now.Profile.RequiresApproval {
			return "the profile requires approval and nobody approved", nil
		}
		return unlisted(names, now), nil
	}
	var a approval.Approval
	found, err := tx.Find(&a, "SELECT * FROM approvals WHERE id = ?"+tx.Locking("FOR SHARE"), *j.ApprovalID)
	switch {
	case err != nil:
		return "", fmt.Errorf("look up approval %s: %w", *j.ApprovalID, err)
	case !found:
		return "its approval is missing", nil
	case a.State != api.ApprovalApproved:
		return fmt.Sprintf("its approval is %s", a.State), nil
	case a.Kind != api.ApprovalIssuance || a.JobID == nil || *a.JobID != j.ID || a.Digest != j.Digest || a.Subject != j.Subject:
		return "its approval is for something else", nil
	}
	if reason, err := g.refuseDecider(tx, a.Decider()); err != nil || reason != "" {
		return reason, err
	}
	if a.Decider().Kind != identity.Human {
		return unlisted(names, now), nil
	}
	return "", nil
}

// refuseDecider returns a reason if an approval by this decider does not count. A person who was disabled after the
// decision counts.
func (g *Gate) refuseDecider(tx *store.Tx, decider identity.Actor) (string, error) {
	if decider.ID == identity.Bypass.ID {
		if g.bypass {
			return "", nil
		}
		return "its approval was bypassed, and this server does not bypass", nil
	}
	human, err := principal.IsHuman(tx, decider.ID)
	if err == nil && !human {
		return fmt.Sprintf("its approval was decided by %q, who is no person", decider.ID), nil
	}
	return "", err
}

func (g *Gate) refuse(tx *store.Tx, c job.Claim, reason string) error {
	if err := g.queue.Refuse(tx, c, reason); err != nil {
		return err
	}
	if err := record(tx, "issuance_refused", c, audit.Details{"reason": reason}); err != nil {
		return err
	}
	return store.Keep(&RefusedError{reason})
}

// intend writes the intent, or finds the one that was written before.
func (g *Gate) intend(tx *store.Tx, c job.Claim, now Proposal, d draft) (Intent, error) {
	before, found, err := findIntent(tx, c.ID)
	if err != nil || found {
		return before, err
	}
	if len(d.tbs) == 0 {
		return Intent{}, errors.New("nothing was drafted")
	}
	intent := Intent{
		JobID: c.ID, SerialNumber: d.serial.String(), Digest: now.Subject.Digest, IssuerID: now.Subject.IssuerID,
		IssuerGeneration: now.issuerGeneration, IssuerFingerprintSHA256: now.Subject.IssuerFingerprintSHA256,
		NotBefore: d.validity.NotBefore, NotAfter: d.validity.NotAfter, TBS: d.tbs,
		ProfileVersion: now.ProfileVersion, CertificateVersion: now.Certificate.Version, CreatedAt: tx.Now,
	}
	if err := tx.DB.Create(&intent).Error; err != nil {
		return Intent{}, fmt.Errorf("store the intent: %w", err)
	}
	return intent, record(tx, "issuance_admitted", c, audit.Details{"serial_number": intent.SerialNumber, "digest": intent.Digest})
}

func findIntent(tx *store.Tx, jobID string) (Intent, bool, error) {
	var i Intent
	found, err := tx.Find(&i, "SELECT * FROM intents WHERE job_id = ?", jobID)
	if err != nil {
		err = fmt.Errorf("look up the intent: %w", err)
	}
	return i, found, err
}

// LastSigned is the intent of a certificate's current leaf; the zero Intent if nothing was signed yet.
func LastSigned(tx *store.Tx, c certificate.Certificate) (Intent, error) {
	var i Intent
	if c.CurrentSerial == nil {
		return i, nil
	}
	err := tx.Must(&i, `SELECT i.* FROM intents i JOIN leaves l ON l.job_id = i.job_id
		WHERE l.certificate_uid = ? AND l.serial_number = ?`, c.UID, *c.CurrentSerial)
	if err != nil {
		err = fmt.Errorf("look up the intent of leaf %s: %w", *c.CurrentSerial, err)
	}
	return i, err
}

func record(tx *store.Tx, action string, c job.Claim, details audit.Details) error {
	return audit.Append(tx, audit.Event{Actor: identity.Issuer, Action: action, ResourceType: "job", ResourceID: c.ID, Details: details})
}
