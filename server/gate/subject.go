package gate

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/job"
)

// Subject is everything that gets signed, and everything that an approval covers.
type Subject struct {
	api.IssuanceSubject
	PublicKey crypto.PublicKey

	Canonical string // the subject as RFC 8785 JSON
	Digest    string // "sha256:" and the SHA-256 of Canonical in hexadecimal
}

// newSubject builds the subject of a proposal: names from the certificate, the key from the CSR, the rest from profile
// and issuer.
func (g *Gate) newSubject(p Proposal) (Subject, error) {
	issuer, err := g.findIssuer(p.Profile.IssuerID)
	if err != nil {
		return Subject{}, err
	}
	return digestSubject(api.IssuanceSubject{
		CertificateID: p.Certificate.ID, ProfileID: p.ProfileID, IssuerFingerprintSHA256: issuer.Fingerprint(),
		CertificateContent: rules.CertificateContent(p.Certificate.Spec.V, p.CSR.Key),
		ProfileContent:     rules.ProfileContent(p.Profile),
	}, p.CSR)
}

// subjectOf reads the subject that a job stores, with the public key of the job's CSR.
func (g *Gate) subjectOf(j job.Job) (Subject, error) {
	s, err := ReadSubject(j.Subject)
	if err != nil {
		return Subject{}, err
	}
	csr, err := g.csrs.parse(j.CSRPEM)
	if err != nil {
		return Subject{}, fmt.Errorf("read the stored CSR: %w", err)
	}
	if csr.Key != s.Key {
		return Subject{}, errors.New("the stored CSR has another key than the stored subject")
	}
	return digestSubject(s, csr)
}

func digestSubject(s api.IssuanceSubject, csr *rules.CSR) (Subject, error) {
	text, digest, err := rules.Canonicalize(s)
	return Subject{IssuanceSubject: s, PublicKey: csr.PublicKey, Canonical: text, Digest: digest}, err
}

// ReadSubject decodes a subject that a job or an approval stores.
func ReadSubject(text string) (api.IssuanceSubject, error) {
	var s api.IssuanceSubject
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("read the stored subject: %w", err)
	}
	return s, nil
}
