package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

type listJobsInput struct {
	PageQuery
	CertificateID string        `query:"certificate_id" maxLength:"66" doc:"Only jobs of this certificate."`
	Status        api.JobStatus `query:"status" enum:"AwaitingApproval,Pending,Running,Completed,Failed,Cancelled"`
	Type          api.JobType   `query:"type" enum:"Issuance,Renewal"`
}

func (s *server) listJobs(ctx context.Context, in *listJobsInput) (*listAnswer[api.Job], error) {
	read := web.Query[[]job.Job]
	if in.CertificateID != "" {
		read = web.Read // to find the uid is a second statement
	}
	rows, err := read(ctx, s.Store, func(tx *store.Tx) ([]job.Job, error) {
		filter := job.Filter{Status: in.Status, Type: in.Type}
		if in.CertificateID != "" {
			uid, err := certificate.FindUID(tx, in.CertificateID)
			if err != nil || uid == "" {
				return nil, err
			}
			filter.CertificateUID = uid
		}
		return job.List(tx, filter, in.page(true))
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(j job.Job) store.Cursor { return store.Cursor{At: j.CreatedAt, ID: j.ID} }
	return newConvertedAnswer(&in.PageQuery, rows, cursorOf, job.Job.API), nil
}

func (s *server) getJob(ctx context.Context, in *PathID) (*bodyAnswer[api.Job], error) {
	j, err := web.Query(ctx, s.Store, func(tx *store.Tx) (job.Job, error) { return job.Get(tx, in.ID) })
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[api.Job]{j.API()}, nil
}
