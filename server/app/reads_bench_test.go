package app_test

import (
	"context"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// BenchmarkReads measures reads of one statement, over HTTP on PostgreSQL.
//
//	CGO_ENABLED=0 scripts/with-postgres go test ./server/app -run '^$' -bench Reads
func BenchmarkReads(b *testing.B) {
	s := servertest.NewPostgres(b, servertest.NoWorkers())
	ctx, vera := context.Background(), s.Client(b, "vera")
	profile := s.CreateProfileAsOlga(b, true).ID
	var j api.Job
	for range 100 {
		j = s.RequestOlgasCertificate(b, "alice")
	}
	pending := client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}}}
	for _, bench := range []struct {
		name string
		run  func() error
	}{
		{"profile", func() error { _, err := vera.GetProfile(ctx, profile); return err }},
		{"approval", func() error { _, err := vera.GetApproval(ctx, *j.ApprovalID); return err }},
		{"job", func() error { _, err := vera.GetJob(ctx, j.ID); return err }},
		{"list of pending approvals", func() error {
			for _, err := range vera.ListApprovals(ctx, pending) {
				return err
			}
			return nil
		}},
		{"list of profiles", func() error {
			for _, err := range vera.ListProfiles(ctx, client.ListProfilesOptions{}) {
				return err
			}
			return nil
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if err := bench.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
