package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ListJobsOptions filters jobs.
type ListJobsOptions struct {
	Page
	CertificateID string
	Status        api.JobStatus
	Type          api.JobType
}

// ListJobs returns the jobs that match, the newest first.
func (c *Client) ListJobs(ctx context.Context, o ListJobsOptions) iter.Seq2[api.Job, error] {
	q := o.Page.query().addText("certificate_id", o.CertificateID).addText("status", string(o.Status)).addText("type", string(o.Type))
	return list[api.Job](ctx, c, apiPath("jobs"), q)
}

// GetJob reads a job.
func (c *Client) GetJob(ctx context.Context, id string) (api.Job, error) {
	return call[api.Job](ctx, c, request{method: http.MethodGet, path: apiPath("jobs", id), want: http.StatusOK})
}
