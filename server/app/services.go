package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/issuance"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// services holds the services of one database.
type services struct {
	store        *store.Store
	queue        *job.Queue
	approvals    *approval.Service
	profiles     *profile.Service
	certificates *certificate.Service
	issuance     *issuance.Service
}

// newServices makes the services and registers the kinds of approval.
func newServices(opts Options, config ServeConfig, registry prometheus.Registerer) (*services, error) {
	queue := job.NewQueue(opts.Store, job.NewMetrics(registry), config.IssueWithin)
	signGate, err := gate.New(opts.Store, queue, opts.Issuers, config.ApprovalBypass, opts.Log)
	if err != nil {
		return nil, err
	}
	approvals := approval.New(config.JobAwaitingApprovalTimeout, config.ApprovalBypass, approval.NewMetrics(registry), opts.Log)
	profiles := &profile.Service{
		Approvals: approvals, Issuers: listIDs(opts.Issuers), ListUsers: certificate.ListUsers, CountEffects: gate.CountEffects, RunJobs: queue.RunNow,
	}
	approvals.Register(api.ApprovalIssuance, issuance.Kind{Gate: signGate, Queue: queue})
	approvals.Register(api.ApprovalProfileEdit, profile.Kind{Service: profiles})
	return &services{
		store: opts.Store, queue: queue, approvals: approvals, profiles: profiles,
		certificates: &certificate.Service{Approvals: approvals},
		issuance: &issuance.Service{
			Store: opts.Store, Gate: signGate, Approvals: approvals, Queue: queue,
			Metrics: issuance.NewMetrics(registry), Log: opts.Log,
		},
	}, nil
}

func listIDs(issuers map[string]gate.Issuer) []string {
	ids := make([]string, 0, len(issuers))
	for id := range issuers {
		ids = append(ids, id)
	}
	return ids
}
