package rest

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/issuance"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

type listCertificatesInput struct {
	PageQuery
	ProfileID         string                `query:"profile_id" maxLength:"65" doc:"Only certificates under this profile."`
	CommonName        string                `query:"common_name" maxLength:"64" doc:"Only certificates with exactly this common name."`
	SAN               string                `query:"san" maxLength:"2048" doc:"Only certificates that have exactly this name among their sans. A wildcard stands for itself alone."`
	Status            api.CertificateStatus `query:"status" enum:"unissued,awaiting_approval,issuing,issued,expired,rejected,request_expired,failed,cancelled" doc:"Only certificates with this status."`
	SerialNumber      string                `query:"serial_number" maxLength:"40" pattern:"^[0-9a-f]+$" doc:"Only the certificate of the leaf with this serial number. The leaf may be the current or an earlier one."`
	FingerprintSHA256 string                `query:"fingerprint_sha256" pattern:"^[0-9a-f]{64}$" doc:"Only the certificate of the leaf with this SHA-256 fingerprint. The leaf may be the current or an earlier one."`
	SPKISHA256        string                `query:"spki_sha256" pattern:"^[0-9a-f]{64}$" doc:"Only certificates with this public key: in the CSR, in the current or in an earlier leaf. The value is the SHA-256 of its SubjectPublicKeyInfo."`
	ExpiresBefore     time.Time             `query:"expires_before" doc:"Only certificates whose current leaf ends before this time."`
	Renewal           string                `query:"renewal" enum:"blocked" doc:"Only certificates whose renewal is blocked."`
	Archived          bool                  `query:"archived" doc:"Whether to list the archived certificates instead of the live ones."`
}

// certificateRow is one certificate of a list, and the cursor of the page after it.
type certificateRow struct {
	view   api.Certificate
	cursor store.Cursor
}

func (s *server) listCertificates(ctx context.Context, in *listCertificatesInput) (*listAnswer[api.Certificate], error) {
	rows, err := web.Read(ctx, s.Store, func(tx *store.Tx) ([]certificateRow, error) {
		certificates, err := certificate.List(tx, certificate.Filter{
			ProfileID: in.ProfileID, CommonName: in.CommonName, SAN: in.SAN, Status: in.Status, ExpiresBefore: in.ExpiresBefore.UTC(), Archived: in.Archived,
			SerialNumber: in.SerialNumber, FingerprintSHA256: in.FingerprintSHA256, SPKISHA256: in.SPKISHA256, Blocked: in.Renewal != "",
		}, in.page(false))
		if err != nil {
			return nil, err
		}
		views, err := certificate.ShowAll(tx, certificates...)
		if err != nil {
			return nil, err
		}
		rows := make([]certificateRow, len(certificates))
		for i, c := range certificates {
			rows[i] = certificateRow{views[i], store.Cursor{At: c.CreatedAt, ID: c.UID}}
		}
		return rows, nil
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(r certificateRow) store.Cursor { return r.cursor }
	view := func(r certificateRow) api.Certificate { return r.view }
	return newConvertedAnswer(&in.PageQuery, rows, cursorOf, view), nil
}

// showCertificate returns a certificate as callers see it.
func showCertificate(tx *store.Tx, c certificate.Certificate) (api.Certificate, error) {
	views, err := certificate.ShowAll(tx, c)
	if err != nil {
		return api.Certificate{}, err
	}
	return views[0], nil
}

func (s *server) getCertificate(ctx context.Context, in *PathID) (*objectAnswer[api.Certificate], error) {
	c, err := web.Read(ctx, s.Store, func(tx *store.Tx) (api.Certificate, error) {
		c, err := certificate.Get(tx, in.ID)
		if err != nil {
			return api.Certificate{}, err
		}
		return showCertificate(tx, c)
	})
	if err != nil {
		return nil, err
	}
	return &objectAnswer[api.Certificate]{ETag: etag(c.Version), Body: c}, nil
}

type createCertificateBody struct{ api.CreateCertificate }

// TransformSchema implements huma.SchemaTransformer.
func (createCertificateBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return requireNames(s)
}

// requireNames makes sans optional for a certificate that has a common name.
func requireNames(s *huma.Schema) *huma.Schema {
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == "sans" })
	s.AnyOf = []*huma.Schema{{Required: []string{"sans"}}, {Required: []string{"common_name"}}}
	return s
}

func (b *createCertificateBody) setDefaults() { b.CertificateSpec = api.DefaultCertificateSpec() }

// IssueQuery is the part of a query that requests issuance in the same transaction.
type IssueQuery struct {
	Issue  bool   `query:"issue" doc:"Whether to request issuance as well, as renew does."`
	Reason string `query:"reason" maxLength:"500" doc:"Why issuance is requested. It is kept on the approval."`

	AlsoExcluded []string `query:"also_excluded,explode" doc:"Handles of more people who may not decide. The parameter may be repeated."`
}

// Resolve implements huma.Resolver.
func (q *IssueQuery) Resolve(huma.Context) []error {
	faults := issuance.CheckHandles("?also_excluded", q.AlsoExcluded)
	for at := range faults {
		faults[at].Pointer = "?also_excluded"
	}
	return asErrors(faults)
}

func (q IssueQuery) newRequest(certificateID string) issuance.Request {
	return issuance.Request{CertificateID: certificateID, Renew: api.Renew{Reason: q.Reason, AlsoExcluded: q.AlsoExcluded}}
}

// issueAndShow requests issuance if the query asks for it, and returns the certificate as callers see it.
func (s *server) issueAndShow(tx *store.Tx, who identity.Actor, q IssueQuery, c certificate.Certificate) (api.Certificate, error) {
	if q.Issue {
		if _, err := s.Issuance.Renew(tx, who, q.newRequest(c.ID)); err != nil {
			return api.Certificate{}, err
		}
	}
	return showCertificate(tx, c)
}

type createCertificateInput struct {
	RetryInput
	IssueQuery
	RequiredBody[createCertificateBody]
}

func (s *server) createCertificate(ctx context.Context, in *createCertificateInput) (*newObjectAnswer[api.Certificate], error) {
	c, err := web.WriteOnce(ctx, s.Store, in.newRetry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Certificate, error) {
		c, err := s.Certificates.Create(tx, who, in.value.CreateCertificate)
		if err != nil {
			return api.Certificate{}, err
		}
		return s.issueAndShow(tx, who, in.IssueQuery, c)
	})
	if err != nil {
		return nil, err
	}
	return &newObjectAnswer[api.Certificate]{Location: "/api/v1/certificates/" + c.ID, ETag: etag(c.Version), Body: c}, nil
}

type replaceCertificateBody struct {
	api.CertificateSpec
	Echo
}

// TransformSchema implements huma.SchemaTransformer.
func (replaceCertificateBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return requireNames(allowServerFields(r, s, reflect.TypeFor[api.Certificate]()))
}

func (b *replaceCertificateBody) setDefaults() { b.CertificateSpec = api.DefaultCertificateSpec() }

type replaceCertificateInput struct {
	PathID
	IfMatch
	IssueQuery
	RequiredBody[replaceCertificateBody]
}

func (s *server) replaceCertificate(ctx context.Context, in *replaceCertificateInput) (*objectAnswer[api.Certificate], error) {
	if err := in.value.checkID(in.ID); err != nil {
		return nil, err
	}
	based := in.value.addTo(in.precondition())
	c, err := web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (api.Certificate, error) {
		c, err := s.Certificates.Replace(tx, who, in.ID, in.value.CertificateSpec, based)
		if err != nil {
			return api.Certificate{}, err
		}
		return s.issueAndShow(tx, who, in.IssueQuery, c)
	})
	if err != nil {
		return nil, err
	}
	return &objectAnswer[api.Certificate]{ETag: etag(c.Version), Body: c}, nil
}

// previewCertificateBody is the body of a create or of an edit.
type previewCertificateBody struct {
	api.CreateCertificate
	BaseVersion
}

// TransformSchema implements huma.SchemaTransformer.
func (previewCertificateBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	// Without sans the preview proposes them.
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == "sans" })
	return allowServerFields(r, s, reflect.TypeFor[api.Certificate]())
}

func (b *previewCertificateBody) setDefaults() { b.CertificateSpec = api.DefaultCertificateSpec() }

type previewCertificateInput struct {
	IfMatch
	IssueQuery
	RequiredBody[previewCertificateBody]
}

func (s *server) previewCertificate(ctx context.Context, in *previewCertificateInput) (*bodyAnswer[api.CertificatePreview], error) {
	based := in.value.addTo(in.precondition())
	return runPreview(ctx, s, func(tx *store.Tx, who identity.Actor) (api.CertificatePreview, error) {
		preview, candidate, err := s.Certificates.Preview(tx, in.value.CreateCertificate, based)
		if err == nil && in.Issue {
			err = s.Issuance.PreviewIssue(tx, who, &preview, candidate, in.newRequest(candidate.ID))
		}
		if preview.Problem != nil {
			preview.Problem = web.CompleteProblem(*preview.Problem, identity.RequestID(ctx))
		}
		return preview, err
	})
}

func (s *server) deleteCertificate(ctx context.Context, in *deleteInput) (*struct{}, error) {
	return web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (*struct{}, error) {
		return &struct{}{}, s.Certificates.Archive(tx, who, in.ID, in.precondition())
	})
}

type listLeavesInput struct {
	PathID
	PageQuery
}

func (s *server) listLeaves(ctx context.Context, in *listLeavesInput) (*listAnswer[api.Leaf], error) {
	rows, err := web.Read(ctx, s.Store, func(tx *store.Tx) ([]certificate.Leaf, error) {
		return certificate.ListLeaves(tx, in.ID, in.page(true))
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(l certificate.Leaf) store.Cursor { return store.Cursor{At: l.CreatedAt, ID: l.SerialNumber} }
	return newConvertedAnswer(&in.PageQuery, rows, cursorOf, certificate.Leaf.API), nil
}

const chainContentType = "application/pem-certificate-chain"

// chainAnswer has a body of PEM, not JSON.
type chainAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *server) getChain(ctx context.Context, in *PathID) (*chainAnswer, error) {
	leaf, err := web.Read(ctx, s.Store, func(tx *store.Tx) (certificate.Leaf, error) { return certificate.GetCurrentLeaf(tx, in.ID) })
	if err != nil {
		return nil, err
	}
	return &chainAnswer{ContentType: chainContentType, Body: []byte(leaf.CertificatePEM + leaf.ChainPEM)}, nil
}

type renewInput struct {
	PathID
	RetryInput
	OptionalBody[api.Renew]
}

func (s *server) renewCertificate(ctx context.Context, in *renewInput) (*jobAnswer, error) {
	j, err := web.WriteOnce(ctx, s.Store, in.newRetry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Job, error) {
		j, err := s.Issuance.Renew(tx, who, issuance.Request{CertificateID: in.ID, Renew: in.value})
		return j.API(), err
	})
	if err != nil {
		return nil, err
	}
	return &jobAnswer{Location: "/api/v1/jobs/" + j.ID, Body: j}, nil
}

func (s *server) previewRenewal(ctx context.Context, in *renewInput) (*bodyAnswer[api.RenewalPreview], error) {
	return runPreview(ctx, s, func(tx *store.Tx, who identity.Actor) (api.RenewalPreview, error) {
		preview, err := s.Issuance.Preview(tx, who, issuance.Request{CertificateID: in.ID, Renew: in.value})
		if preview.Problem != nil {
			preview.Problem = web.CompleteProblem(*preview.Problem, identity.RequestID(ctx))
		}
		return preview, err
	})
}
