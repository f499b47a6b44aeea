package gate

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Proposal is what would be signed for a certificate now.
type Proposal struct {
	Certificate    certificate.Certificate
	Profile        api.ProfileSpec
	ProfileID      string
	ProfileVersion int64
	CSRPEM         string
	CSR            *rules.CSR // parsed from CSRPEM
	Subject        Subject

	issuerGeneration int // set by LockProposal
}

// Faults lists what the profile's rules forbid.
func (p Proposal) Faults() []api.Fault {
	return rules.CheckContent(p.Certificate.Spec.V, p.CSR, p.Profile)
}

// CSRIgnored lists what the CSR asks for and will not be signed.
func (p Proposal) CSRIgnored() []api.Ignored {
	ignored, _ := p.review()
	return ignored
}

func (p Proposal) review() (ignored []api.Ignored, faults []string) {
	spec := p.Certificate.Spec.V
	return p.CSR.Review(spec.CommonName, spec.SANs, p.Profile)
}

// HasOwnKey reports whether the request has a key that is not the certificate's. The requester is its author.
func (p Proposal) HasOwnKey() bool { return p.Subject.Key.SPKISHA256 != p.Certificate.SPKISHA256 }

// hasDisabledProfile reports whether the profile was found and is disabled.
func (p Proposal) hasDisabledProfile() bool { return p.ProfileID != "" && !p.Profile.Enabled }

// LockProposal returns what would be signed now for a certificate, and locks its profile (shared) and the certificate. uid is
// the certificate's; csrPEM is the CSR of the request, and if it is empty the certificate's own. An archived certificate
// is found too: see its ArchivedAt.
//
// It returns ErrNothingToSign, an UnsignableError, or an UnavailableError if the issuer was replaced while this server
// ran.
func (g *Gate) LockProposal(tx *store.Tx, uid, csrPEM string) (Proposal, error) {
	p, err := g.propose(tx, uid, csrPEM, tx.Locking("FOR SHARE OF p FOR UPDATE OF c"))
	if err == nil {
		p.issuerGeneration, err = g.requireCurrentIssuer(tx, p.Subject.IssuerID)
	}
	return p, err
}

// GetProposal is LockProposal without the locks and without the check of the issuer.
func (g *Gate) GetProposal(tx *store.Tx, uid, csrPEM string) (Proposal, error) {
	return g.propose(tx, uid, csrPEM, "")
}

// LockAndCompare locks profile and certificate and reports whether the subject of a job is what would be signed now. It
// returns ErrProfileDisabled under a disabled profile, and an UnavailableError if this server's issuer is out of date.
func (g *Gate) LockAndCompare(tx *store.Tx, jobID, subject, digest string) (bool, error) {
	// A job's certificate and CSR never change, so the job needs no lock.
	var j struct {
		CertificateUID string `gorm:"column:certificate_uid"`
		CSRPEM         string `gorm:"column:csr_pem"`
	}
	found, err := tx.Find(&j, "SELECT certificate_uid, csr_pem FROM jobs WHERE id = ?", jobID)
	if err != nil || !found {
		return false, err
	}
	proposal, err := g.propose(tx, j.CertificateUID, j.CSRPEM, tx.Locking("FOR SHARE OF p FOR UPDATE OF c"))
	if proposal.hasDisabledProfile() {
		return false, ErrProfileDisabled
	}
	unsignable, err := splitUnsignable(err)
	switch {
	case errors.Is(err, ErrNothingToSign), unsignable != nil:
		return false, nil
	case err != nil:
		return false, err
	}
	if _, err := g.requireCurrentIssuer(tx, proposal.Subject.IssuerID); err != nil {
		return false, err
	}
	return refusalReason(proposal, subject, digest) == "", nil
}

// refusalReason returns why a job's subject may not be signed now; empty if it may. Approve and Admit both ask it.
func refusalReason(proposal Proposal, subject, digest string) string {
	switch {
	case proposal.Certificate.ArchivedAt != nil:
		return "the certificate is archived"
	case proposal.Subject.Canonical != subject || proposal.Subject.Digest != digest:
		return "subject changed"
	}
	if faults := proposal.Faults(); len(faults) > 0 {
		return "the profile does not allow it: " + joinFaults(faults)
	}
	return ""
}

func joinFaults(faults []api.Fault) string {
	details := make([]string, len(faults))
	for i, f := range faults {
		details[i] = strings.TrimSpace(f.Pointer + " " + f.Detail)
	}
	return strings.Join(details, "; ")
}

// propose reads certificate and profile in one statement and builds the subject. If the subject cannot be built, propose
// returns the rest of the proposal with the error.
func (g *Gate) propose(tx *store.Tx, uid, csrPEM, locking string) (Proposal, error) {
	var row struct {
		certificate.Certificate `gorm:"embedded"`
		ProfileID               string
		ProfileSpec             store.JSON[api.ProfileSpec]
		ProfileVersion          int64
	}
	found, err := tx.Find(&row, `SELECT c.*, p.spec AS profile_spec, p.version AS profile_version
		FROM certificates c JOIN profiles p ON p.id = c.profile_id WHERE c.uid = ?`+locking, uid)
	if err != nil {
		return Proposal{}, fmt.Errorf("look up certificate and profile: %w", err)
	}
	if !found {
		return Proposal{}, ErrNothingToSign
	}
	p := Proposal{
		Certificate: row.Certificate, Profile: row.ProfileSpec.V, ProfileID: row.ProfileID, ProfileVersion: row.ProfileVersion,
		// The certificate's own CSR is read under the lock: a PUT may have replaced the one that the caller knows.
		CSRPEM: cmp.Or(csrPEM, row.Spec.V.CSRPEM),
	}
	err = g.buildSubject(&p)
	return p, err
}

// ProposeNew returns what would be signed for a certificate that is not stored. It locks nothing.
func (g *Gate) ProposeNew(tx *store.Tx, c certificate.Certificate) (Proposal, error) {
	stored, err := profile.Get(tx, c.Spec.V.ProfileID)
	if err != nil {
		return Proposal{}, err
	}
	p := Proposal{
		Certificate: c, Profile: stored.Spec.V, ProfileID: stored.ID, ProfileVersion: stored.Version, CSRPEM: c.Spec.V.CSRPEM,
	}
	err = g.buildSubject(&p)
	return p, err
}

// buildSubject parses the CSR of a proposal and builds its subject.
func (g *Gate) buildSubject(p *Proposal) error {
	var err error
	if p.CSR, err = g.csrs.parse(p.CSRPEM); err != nil {
		return &UnsignableError{api.Fault{Pointer: "/csr_pem", Detail: err.Error()}}
	}
	if p.CSR.PublicKey == nil {
		_, faults := p.review()
		return &UnsignableError{api.Fault{Pointer: "/csr_pem", Detail: strings.Join(faults, "; ")}}
	}
	p.Subject, err = g.newSubject(*p)
	return err
}
