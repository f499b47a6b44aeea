package rest

import (
	"context"
	"reflect"
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
	Paged
	ProfileID     string    `query:"profile_id" maxLength:"65" doc:"Only certificates under this profile."`
	CommonName    string    `query:"common_name" maxLength:"64" doc:"Only certificates with exactly this common name."`
	ExpiresBefore time.Time `query:"expires_before" doc:"Only certificates whose current leaf ends before this time."`
	Archived      bool      `query:"archived" doc:"Whether to list the archived certificates instead of the live ones."`
}

// placed is a certificate as it is shown, and its place in the list.
type placed struct {
	view api.Certificate
	at   store.Cursor
}

func (s *server) listCertificates(ctx context.Context, in *listCertificatesInput) (*list[api.Certificate], error) {
	found, err := web.Read(ctx, s.Store, func(tx *store.Tx) ([]placed, error) {
		rows, err := certificate.List(tx, certificate.Filter{
			ProfileID: in.ProfileID, CommonName: in.CommonName, ExpiresBefore: in.ExpiresBefore.UTC(), Archived: in.Archived,
		}, in.page(false))
		if err != nil {
			return nil, err
		}
		views, err := certificate.ShowAll(tx, rows...)
		if err != nil {
			return nil, err
		}
		found := make([]placed, len(rows))
		for i, c := range rows {
			found[i] = placed{views[i], store.Cursor{At: c.CreatedAt, ID: c.UID}}
		}
		return found, nil
	})
	if err != nil {
		return nil, err
	}
	place := func(p placed) store.Cursor { return p.at }
	show := func(p placed) api.Certificate { return p.view }
	return listed(&in.Paged, found, place, show), nil
}

// viewed shows one certificate inside the transaction that found or wrote it.
func viewed(tx *store.Tx, c certificate.Certificate, err error) (api.Certificate, error) {
	if err != nil {
		return api.Certificate{}, err
	}
	views, err := certificate.ShowAll(tx, c)
	if err != nil {
		return api.Certificate{}, err
	}
	return views[0], nil
}

func (s *server) getCertificate(ctx context.Context, in *ByID) (*versioned[api.Certificate], error) {
	c, err := web.Read(ctx, s.Store, func(tx *store.Tx) (api.Certificate, error) {
		c, err := certificate.Get(tx, in.ID)
		return viewed(tx, c, err)
	})
	if err != nil {
		return nil, err
	}
	return &versioned[api.Certificate]{ETag: etag(c.Version), Body: c}, nil
}

type createCertificateBody struct{ api.CreateCertificate }

func (b *createCertificateBody) setDefaults() { b.CertificateSpec = api.DefaultCertificateSpec() }

// Issue is part of an input that may ask for issuance in the same transaction.
type Issue struct {
	Issue  bool   `query:"issue" doc:"Whether to request issuance as well, as renew does."`
	Reason string `query:"reason" maxLength:"500" doc:"Why issuance is requested. It is kept on the approval."`

	AlsoExcluded []string `query:"also_excluded,explode" doc:"Handles of more people who may not decide. The parameter may be repeated."`
}

// Resolve implements huma.Resolver.
func (i *Issue) Resolve(huma.Context) []error {
	faults := issuance.CheckHandles("?also_excluded", i.AlsoExcluded)
	for at := range faults {
		faults[at].Pointer = "?also_excluded"
	}
	return asErrors(faults)
}

func (i Issue) request(certificateID string) issuance.Request {
	return issuance.Request{CertificateID: certificateID, Renew: api.Renew{Reason: i.Reason, AlsoExcluded: i.AlsoExcluded}}
}

// issued opens what renew would open, if that was asked for, and shows the certificate.
func (s *server) issued(tx *store.Tx, who identity.Actor, i Issue, c certificate.Certificate, err error) (api.Certificate, error) {
	if err == nil && i.Issue {
		_, err = s.Issuance.Renew(tx, who, i.request(c.ID))
	}
	return viewed(tx, c, err)
}

type createCertificateInput struct {
	Once
	Issue
	Sent[createCertificateBody]
}

func (s *server) createCertificate(ctx context.Context, in *createCertificateInput) (*created[api.Certificate], error) {
	c, err := web.Once(ctx, s.Store, in.retry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Certificate, error) {
		c, err := s.Certificates.Create(tx, who, in.value.CreateCertificate)
		return s.issued(tx, who, in.Issue, c, err)
	})
	if err != nil {
		return nil, err
	}
	return &created[api.Certificate]{Location: "/api/v1/certificates/" + c.ID, ETag: etag(c.Version), Body: c}, nil
}

type replaceCertificateBody struct {
	api.CertificateSpec
	Echo
}

// TransformSchema implements huma.SchemaTransformer.
func (replaceCertificateBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return allowSentBack(r, s, reflect.TypeFor[api.Certificate]())
}

func (b *replaceCertificateBody) setDefaults() { b.CertificateSpec = api.DefaultCertificateSpec() }

type replaceCertificateInput struct {
	ByID
	IfMatch
	Issue
	Sent[replaceCertificateBody]
}

func (s *server) replaceCertificate(ctx context.Context, in *replaceCertificateInput) (*versioned[api.Certificate], error) {
	if err := in.value.check(in.ID); err != nil {
		return nil, err
	}
	based := in.value.precondition(in.precondition())
	c, err := web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (api.Certificate, error) {
		c, err := s.Certificates.Replace(tx, who, in.ID, in.value.CertificateSpec, based)
		return s.issued(tx, who, in.Issue, c, err)
	})
	if err != nil {
		return nil, err
	}
	return &versioned[api.Certificate]{ETag: etag(c.Version), Body: c}, nil
}

// previewCertificateBody is the body of a create or of an edit.
type previewCertificateBody struct {
	api.CreateCertificate
	SentVersion
}

// TransformSchema implements huma.SchemaTransformer.
func (previewCertificateBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return allowSentBack(r, s, reflect.TypeFor[api.Certificate]())
}

func (b *previewCertificateBody) setDefaults() { b.CertificateSpec = api.DefaultCertificateSpec() }

type previewCertificateInput struct {
	IfMatch
	Issue
	Sent[previewCertificateBody]
}

func (s *server) previewCertificate(ctx context.Context, in *previewCertificateInput) (*plain[api.CertificatePreview], error) {
	based := in.value.precondition(in.precondition())
	return preview(ctx, s, func(tx *store.Tx, who identity.Actor) (api.CertificatePreview, error) {
		told, candidate, err := s.Certificates.Preview(tx, in.value.CreateCertificate, based)
		if err == nil && in.Issue.Issue {
			err = s.Issuance.PreviewIssue(tx, who, &told, candidate, in.request(candidate.ID))
		}
		if told.Problem != nil {
			told.Problem = web.Document(*told.Problem, identity.RequestID(ctx))
		}
		return told, err
	})
}

func (s *server) deleteCertificate(ctx context.Context, in *deleteInput) (*struct{}, error) {
	return web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (*struct{}, error) {
		return &struct{}{}, s.Certificates.Archive(tx, who, in.ID, in.precondition())
	})
}

type listLeavesInput struct {
	ByID
	Paged
}

func (s *server) listLeaves(ctx context.Context, in *listLeavesInput) (*list[api.Leaf], error) {
	rows, err := web.Read(ctx, s.Store, func(tx *store.Tx) ([]certificate.Leaf, error) {
		return certificate.ListLeaves(tx, in.ID, in.page(true))
	})
	if err != nil {
		return nil, err
	}
	place := func(l certificate.Leaf) store.Cursor { return store.Cursor{At: l.CreatedAt, ID: l.SerialNumber} }
	return listed(&in.Paged, rows, place, certificate.Leaf.API), nil
}

const chainContentType = "application/pem-certificate-chain"

// chain is PEM, not JSON.
type chain struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *server) getChain(ctx context.Context, in *ByID) (*chain, error) {
	leaf, err := web.Read(ctx, s.Store, func(tx *store.Tx) (certificate.Leaf, error) { return certificate.GetCurrentLeaf(tx, in.ID) })
	if err != nil {
		return nil, err
	}
	return &chain{ContentType: chainContentType, Body: []byte(leaf.CertificatePEM + leaf.ChainPEM)}, nil
}

type renewInput struct {
	ByID
	Once
	Optional[api.Renew]
}

// accepted is something that was begun and where it can be followed.
type accepted[T any] struct {
	Location string `header:"Location"`
	Body     T
}

func (s *server) renewCertificate(ctx context.Context, in *renewInput) (*accepted[api.Job], error) {
	j, err := web.Once(ctx, s.Store, in.retry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Job, error) {
		j, err := s.Issuance.Renew(tx, who, issuance.Request{CertificateID: in.ID, Renew: in.value})
		return j.API(), err
	})
	if err != nil {
		return nil, err
	}
	return &accepted[api.Job]{Location: "/api/v1/jobs/" + j.ID, Body: j}, nil
}

func (s *server) previewRenewal(ctx context.Context, in *renewInput) (*plain[api.RenewalPreview], error) {
	return preview(ctx, s, func(tx *store.Tx, who identity.Actor) (api.RenewalPreview, error) {
		told, err := s.Issuance.Preview(tx, who, issuance.Request{CertificateID: in.ID, Renew: in.value})
		if told.Problem != nil {
			told.Problem = web.Document(*told.Problem, identity.RequestID(ctx))
		}
		return told, err
	})
}
