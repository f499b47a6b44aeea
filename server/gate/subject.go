package gate

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Subject is everything that gets signed, and all that an approval is about.
type Subject struct {
	api.IssuanceSubject
	PublicKey crypto.PublicKey

	// Canonical is the subject as RFC 8785 JSON, and Digest the SHA-256 over it.
	Canonical string
	Digest    string
}

// Proposal is what would be signed for a certificate if it were now.
type Proposal struct {
	Certificate    certificate.Certificate
	Profile        api.ProfileSpec
	ProfileID      string
	ProfileVersion int64
	CSRPEM         string
	Subject        Subject

	issuerGeneration int // set by Propose
}

// Faults are what the profile's rules do not allow of it.
func (p Proposal) Faults() []api.Fault {
	spec := p.Certificate.Spec.V
	spec.CSRPEM = p.CSRPEM
	return rules.CheckCertificate(spec, p.Profile)
}

// isDisabled reports whether the profile was found and is disabled.
func (p Proposal) isDisabled() bool { return p.ProfileID != "" && !p.Profile.Enabled }

// HasOwnKey says whether the request brings a key that is not the certificate's. Its author is the requester.
func (p Proposal) HasOwnKey() bool { return p.Subject.Key.SPKISHA256 != p.Certificate.SPKISHA256 }

// Propose says what would be signed now for a certificate that is given by its uid, with the key of csrPEM, and
// keeps it that way until the transaction ends. Without a csrPEM it is the certificate's own key. An archived
// certificate is proposed too: its ArchivedAt tells. If the issuer was replaced while this server ran, Propose returns
// an UnavailableError.
func (g *Gate) Propose(tx *store.Tx, certificateUID, csrPEM string) (Proposal, error) {
	p, err := g.propose(tx, certificateUID, csrPEM, tx.Locking("FOR SHARE OF p FOR UPDATE OF c"))
	if err == nil {
		p.issuerGeneration, err = g.mustBeCurrent(tx, p.Subject.IssuerID)
	}
	return p, err
}

// Look is Propose without keeping anything as it is.
func (g *Gate) Look(tx *store.Tx, certificateUID, csrPEM string) (Proposal, error) {
	return g.propose(tx, certificateUID, csrPEM, "")
}

const findProposal = `SELECT c.*, p.spec AS profile_spec, p.version AS profile_version`

func (g *Gate) propose(tx *store.Tx, certificateUID, csrPEM, locking string) (Proposal, error) {
	return g.find(tx, findProposal+` FROM certificates c JOIN profiles p ON p.id = c.profile_id
		WHERE c.uid = ?`+locking, csrPEM, certificateUID)
}

// Unchanged says whether what a job asks for is still what would be signed, and keeps it that way until the
// transaction ends. Under a disabled profile it returns ErrProfileDisabled. If this server's issuer is out of date, it
// returns an UnavailableError instead of a change. The job's request never changes, so it needs no lock.
func (g *Gate) Unchanged(tx *store.Tx, jobID, subject, digest string) (bool, error) {
	// One statement: approve has few round trips to spend.
	now, err := g.find(tx, findProposal+`, j.csr_pem AS job_csr_pem
		FROM jobs j JOIN certificates c ON c.uid = j.certificate_uid JOIN profiles p ON p.id = c.profile_id
		WHERE j.id = ?`+tx.Locking("FOR SHARE OF p FOR UPDATE OF c"), "", jobID)
	if now.isDisabled() {
		return false, ErrProfileDisabled
	}
	unsignable, err := split(err)
	switch {
	case errors.Is(err, ErrNothingToSign), unsignable != nil:
		return false, nil
	case err != nil:
		return false, err
	}
	if standing(now, subject, digest) == "" {
		return true, nil
	}
	_, err = g.mustBeCurrent(tx, now.Subject.IssuerID)
	return false, err
}

// find reads a certificate, its profile and, where the query has it, the request of the job.
func (g *Gate) find(tx *store.Tx, query, csrPEM, id string) (Proposal, error) {
	var row struct {
		certificate.Certificate `gorm:"embedded"`
		ProfileID               string
		ProfileSpec             store.JSON[api.ProfileSpec]
		ProfileVersion          int64
		JobCSRPEM               string `gorm:"column:job_csr_pem"`
	}
	found, err := tx.Find(&row, query, id)
	if err != nil {
		return Proposal{}, fmt.Errorf("look up certificate and profile: %w", err)
	}
	if !found {
		return Proposal{}, ErrNothingToSign
	}
	// The certificate's own request is read here, under the lock: a PUT may have replaced the one that the caller knows.
	csrPEM = cmp.Or(csrPEM, row.JobCSRPEM, row.Spec.V.CSRPEM)
	p := Proposal{
		Certificate: row.Certificate, Profile: row.ProfileSpec.V, ProfileID: row.ProfileID,
		ProfileVersion: row.ProfileVersion, CSRPEM: csrPEM,
	}
	p.Subject, err = g.subject(p)
	return p, err
}

// ErrNothingToSign says that the certificate or its profile is gone.
var ErrNothingToSign = errors.New("the certificate or its profile is gone")

// UnsignableError says why nothing can be signed for a certificate, whoever approves.
type UnsignableError struct{ Fault api.Fault }

func (e *UnsignableError) Error() string { return e.Fault.Detail }

func (g *Gate) subject(p Proposal) (Subject, error) {
	csr, err := rules.ParseCSR(p.CSRPEM)
	if err != nil {
		return Subject{}, &UnsignableError{api.Fault{Pointer: "/csr_pem", Detail: err.Error()}}
	}
	issuer, err := g.issuer(p.Profile.IssuerID)
	if err != nil {
		return Subject{}, err
	}
	return digested(api.IssuanceSubject{
		CertificateID: p.Certificate.ID, ProfileID: p.ProfileID, IssuerFingerprintSHA256: issuer.Fingerprint(),
		CertificateContent: rules.CertificateContent(p.Certificate.Spec.V, csr.Key),
		ProfileContent:     rules.ProfileContent(p.Profile),
	}, csr)
}

func (g *Gate) issuer(id string) (Issuer, error) {
	issuer, ok := g.issuers[id]
	if !ok {
		return nil, &UnsignableError{api.Fault{Detail: fmt.Sprintf("there is no issuer %q", id)}}
	}
	return issuer, nil
}

// stored reads back what a job asks for, with the key of its request.
func stored(j job.Job) (Subject, error) {
	s, err := ReadSubject(j)
	if err != nil {
		return Subject{}, err
	}
	csr, err := rules.ParseCSR(j.CSRPEM)
	if err != nil {
		return Subject{}, fmt.Errorf("read the stored request: %w", err)
	}
	if csr.Key != s.Key {
		return Subject{}, errors.New("the stored request has another key than the stored subject")
	}
	return digested(s, csr)
}

// ReadSubject is what a job asks for, as it was stored.
func ReadSubject(j job.Job) (api.IssuanceSubject, error) { return readSubject(j.Subject) }

func digested(s api.IssuanceSubject, csr *rules.CSR) (Subject, error) {
	text, digest, err := rules.Canonical(s)
	return Subject{IssuanceSubject: s, PublicKey: csr.PublicKey, Canonical: text, Digest: digest}, err
}
