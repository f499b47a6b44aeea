package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// CreateCertificate makes a certificate. With [IssueOptions] it also asks for issuance.
func (c *Client) CreateCertificate(ctx context.Context, b api.CreateCertificate, opts ...IssueOption) (api.Certificate, error) {
	r := request{method: http.MethodPost, path: certificatesPath(), body: b, want: http.StatusCreated}
	return call[api.Certificate](ctx, c, r.withIssueOptions(opts))
}

// ListCertificatesOptions filters certificates.
type ListCertificatesOptions struct {
	Page
	ProfileID     string
	CommonName    string
	SAN           string // exactly one of the sans
	Status        api.CertificateStatus
	ExpiresBefore time.Time

	SerialNumber      string // of the current or an earlier leaf
	FingerprintSHA256 string // of the current or an earlier leaf
	SPKISHA256        string // of the CSR, of the current or an earlier leaf

	Blocked bool // only certificates whose renewal is blocked

	// Archived selects archived certificates instead of live ones.
	Archived bool
}

// ListCertificates returns the certificates that match.
func (c *Client) ListCertificates(ctx context.Context, o ListCertificatesOptions) iter.Seq2[api.Certificate, error] {
	q := o.Page.query().
		addText("profile_id", o.ProfileID).
		addText("common_name", o.CommonName).
		addText("san", o.SAN).
		addText("status", string(o.Status)).
		addText("serial_number", o.SerialNumber).
		addText("fingerprint_sha256", o.FingerprintSHA256).
		addText("spki_sha256", o.SPKISHA256).
		addTime("expires_before", o.ExpiresBefore)
	if o.Blocked {
		q.addText("renewal", "blocked")
	}
	if o.Archived {
		q.addText("archived", "true")
	}
	return list[api.Certificate](ctx, c, certificatesPath(), q)
}

// GetCertificate reads a certificate, its current leaf and its newest job.
func (c *Client) GetCertificate(ctx context.Context, id string) (api.Certificate, error) {
	return call[api.Certificate](ctx, c, request{method: http.MethodGet, path: certificatesPath(id), want: http.StatusOK})
}

// ReplaceCertificate writes all writable fields of a certificate. With [IssueOptions] it also asks for issuance.
func (c *Client) ReplaceCertificate(ctx context.Context, id string, spec api.CertificateSpec, opts ...IssueOption) (api.Certificate, error) {
	r := request{method: http.MethodPut, path: certificatesPath(id), body: spec, want: http.StatusOK}
	return call[api.Certificate](ctx, c, r.withIssueOptions(opts))
}

// ListCertificateVersions returns every leaf of a certificate.
func (c *Client) ListCertificateVersions(ctx context.Context, id string, p Page) iter.Seq2[api.Leaf, error] {
	return list[api.Leaf](ctx, c, certificatesPath(id, "versions"), p.query())
}

// GetCertificateChain returns the current leaf and its issuers as PEM.
func (c *Client) GetCertificateChain(ctx context.Context, id string) (string, error) {
	r := request{method: http.MethodGet, path: certificatesPath(id, "chain"), want: http.StatusOK, media: "application/pem-certificate-chain"}
	a, err := c.send(ctx, r)
	return string(a.body), err
}

// RenewCertificate opens a job for a new leaf, and an approval if the profile is gated.
func (c *Client) RenewCertificate(ctx context.Context, id string, b api.Renew, opts ...RequestOption) (api.Job, error) {
	r := request{method: http.MethodPost, path: certificatesPath(id, "renew"), body: b, want: http.StatusAccepted}
	return call[api.Job](ctx, c, r.withOptions(opts))
}

// PreviewRenewal returns what RenewCertificate would do for the caller. It changes nothing.
func (c *Client) PreviewRenewal(ctx context.Context, id string, b api.Renew) (api.RenewalPreview, error) {
	r := request{method: http.MethodPost, path: certificatesPath(id, "renew", "preview"), body: b, want: http.StatusOK}
	return call[api.RenewalPreview](ctx, c, r)
}

// PreviewCertificate tells what ReplaceCertificate would do, or CreateCertificate if no certificate has the id. It
// changes nothing.
func (c *Client) PreviewCertificate(ctx context.Context, b api.CreateCertificate, opts ...IssueOption) (api.CertificatePreview, error) {
	r := request{method: http.MethodPost, path: certificatesPath("preview"), body: b, want: http.StatusOK}
	return call[api.CertificatePreview](ctx, c, r.withIssueOptions(opts))
}

func certificatesPath(rest ...string) string { return apiPath("certificates", rest...) }

// DeleteCertificate archives a certificate. The id is free again; jobs, approvals and audit rows stay.
func (c *Client) DeleteCertificate(ctx context.Context, id string, opts ...RequestOption) error {
	r := request{method: http.MethodDelete, path: certificatesPath(id), want: http.StatusNoContent}
	_, err := c.send(ctx, r.withOptions(opts))
	return err
}
