package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

func ask(ctx context.Context, s *stage) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	s.publicKey = &key.PublicKey
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: s.names[0]},
		DNSNames: s.names,
	}, key)
	if err != nil {
		return err
	}
	create := api.CreateCertificate{ID: s.certificateID, CertificateSpec: api.DefaultCertificateSpec()}
	create.CommonName = s.names[0]
	create.SANs = s.names
	create.ProfileID = s.profileID
	create.CSRPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))
	certificate, err := s.as("alice").CreateCertificate(ctx, create)
	if err != nil {
		return err
	}
	s.show(certificate, "id", "common_name", "sans", "status")
	if err := expect(certificate.Status == api.CertificateUnissued, "the certificate is unissued"); err != nil {
		return err
	}

	job, err := s.as("alice").RenewCertificate(ctx, s.certificateID, api.Renew{Reason: "first certificate of the shop"})
	if err != nil {
		return err
	}
	s.show(job, "id", "type", "status", "approval_id", "requested_by")
	if err := expect(job.Status == api.JobAwaitingApproval && job.ApprovalID != nil, "the job awaits an approval"); err != nil {
		return err
	}
	s.jobID, s.approvalID = job.ID, *job.ApprovalID
	return nil
}

func planSees(ctx context.Context, s *stage) error {
	if err := s.config("waiting.tf", `
		data "certctl_pending_approvals" "issuance" {
		  kind = "issuance"
		}

		output "waiting" {
		  value = [
		    for a in data.certctl_pending_approvals.issuance.approvals :
		    "${a.id}: ${a.common_name}, asked by ${a.requested_by}"
		  ]
		}
	`); err != nil {
		return err
	}
	out, err := s.terraform(ctx, 0, "plan", "-input=false")
	if err != nil {
		return err
	}
	return expect(strings.Contains(out, s.approvalID+": "+s.names[0]+", asked by alice"), "the plan names the approval, the certificate and alice")
}

func planStops(ctx context.Context, s *stage) error {
	if err := s.config("policy.tf", `
		resource "terraform_data" "release" {
		  lifecycle {
		    precondition {
		      condition     = data.certctl_pending_approvals.issuance.total_count == 0
		      error_message = "Waiting for a second person: ${join(", ", data.certctl_pending_approvals.issuance.ids)}"
		    }
		  }
		}
	`); err != nil {
		return err
	}
	out, err := s.terraform(ctx, 1, "plan", "-input=false")
	if err != nil {
		return err
	}
	return expect(strings.Contains(out, "Waiting for a second person: "+s.approvalID), "the precondition names the approval")
}

func samePerson(ctx context.Context, s *stage) error {
	for _, who := range []string{"alice", "terraform"} {
		_, err := s.as(who).ApproveApproval(ctx, s.approvalID, api.Decision{Note: "looks good to me"})
		problem, ok := errors.AsType[*api.Problem](err)
		if !ok {
			return fmt.Errorf("%s approved, or it failed in another way: %w", who, err)
		}
		s.show(problem, "type", "status", "detail")
		if err := expect(problem.Status == 403 && problem.Code() == api.CodeTwoPersonIntegrity &&
			strings.Contains(problem.Detail, "two-person integrity"), "403 and two-person integrity for "+who); err != nil {
			return err
		}
	}
	approval, err := s.as("alice").GetApproval(ctx, s.approvalID)
	if err != nil {
		return err
	}
	s.show(approval, "id", "state", "excluded")
	warnings, err := s.logged("two-person integrity", `"WARN"`, `"request_id":"req-`, s.approvalID)
	if err != nil {
		return err
	}
	return errors.Join(
		expect(approval.State == api.ApprovalPending && approval.DecidedBy == nil, "the approval is still pending"),
		expect(warnings == 2, "the server warned of both"),
	)
}

func ownProfile(ctx context.Context, s *stage) error {
	own := api.CreateProfile{ProfileSpec: api.DefaultProfileSpec()}
	own.Name, own.AllowedDNSNames = "Alice's own", []string{"**"}
	profile, err := s.as("alice").CreateProfile(ctx, own)
	if err != nil {
		return err
	}
	shop, err := s.as("alice").GetCertificate(ctx, s.certificateID)
	if err != nil {
		return err
	}
	create := api.CreateCertificate{ID: "mc-alone", CertificateSpec: shop.CertificateSpec}
	create.ProfileID = profile.ID
	alone, err := s.as("alice").CreateCertificate(ctx, create)
	if err != nil {
		return err
	}
	_, err = s.as("alice").RenewCertificate(ctx, alone.ID, api.Renew{})
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok {
		return fmt.Errorf("alice got it signed alone, or it failed in another way: %w", err)
	}
	s.show(problem, "type", "status", "detail", "errors")
	return expect(problem.Code() == api.CodeApprovalRequired && len(problem.Errors) == len(s.names), "each name needs approval")
}

func otherPerson(ctx context.Context, s *stage) error {
	approval, err := s.as("bob").GetApproval(ctx, s.approvalID)
	if err != nil {
		return err
	}
	s.show(approval, "id", "state", "requested_by", "reason", "subject", "digest")
	digest, err := digest(approval.Subject)
	if err != nil {
		return err
	}
	if err := expect(digest == approval.Digest, "the digest is that of the subject"); err != nil {
		return err
	}
	if err := json.Unmarshal(approval.Subject, &s.subject); err != nil {
		return err
	}

	approval, err = s.as("bob").ApproveApproval(ctx, s.approvalID, api.Decision{Note: "approved per ticket SECOPS-12345", Digest: digest})
	if err != nil {
		return err
	}
	s.show(approval, "id", "state", "decided_by", "note")
	if err := expect(approval.State == api.ApprovalApproved && *approval.DecidedBy == "bob", "bob approved"); err != nil {
		return err
	}

	job, err := s.awaitJob(ctx)
	if err != nil {
		return err
	}
	s.show(job, "id", "status", "serial_number")
	return expect(job.Status == api.JobCompleted, "the job is completed")
}

func verify(ctx context.Context, s *stage) error {
	chain, err := s.as("alice").GetCertificateChain(ctx, s.certificateID)
	if err != nil {
		return err
	}
	certificates, err := parseChain(chain)
	if err != nil {
		return err
	}
	ca, err := s.ca()
	if err != nil {
		return err
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca)
	leaf := certificates[0]
	for _, c := range certificates[1:] {
		others.AddCert(c)
	}
	for _, name := range s.names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: others}); err != nil {
			return err
		}
	}
	s.say("verified: %s is signed by %s", leaf.Subject, leaf.Issuer)
	s.say("names:    %s", strings.Join(leaf.DNSNames, ", "))
	s.say("serial:   %x", leaf.SerialNumber)
	s.say("valid:    %s to %s", leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	spki := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return errors.Join(
		expect(s.publicKey.Equal(leaf.PublicKey), "the key is the CSR's"),
		expect(hex.EncodeToString(spki[:]) == s.subject.Key.SPKISHA256, "the key is the one that Bob saw"),
		expect(slices.Equal(slices.Sorted(slices.Values(leaf.DNSNames)), s.subject.SANs), "the names are those that Bob saw"),
	)
}

func planPasses(ctx context.Context, s *stage) error {
	out, err := s.terraform(ctx, 0, "apply", "-input=false", "-auto-approve")
	if err != nil {
		return err
	}
	return errors.Join(
		expect(!strings.Contains(out, s.approvalID), "nothing waits any more"),
		expect(strings.Contains(out, "Resources: 1 added"), "the release is made"),
	)
}

// digest computes the digest of a subject with the standard library: sorted keys, no spaces, and no unnecessary escapes.
func digest(subject json.RawMessage) (string, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(subject))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(bytes.TrimSpace(b.Bytes()))), nil
}

func parseChain(chain string) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for rest := []byte(chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, c)
	}
	if len(certificates) < 2 {
		return nil, fmt.Errorf("expected: a leaf and its issuers, got %d certificates", len(certificates))
	}
	return certificates, nil
}
