package rest_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

func TestGetMe_ReturnsTheCaller(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		owner := "alice"
		for _, want := range []api.Me{
			{ID: "bob", Kind: api.KindHuman, Accountable: "bob", Roles: []api.Role{api.RoleOperator, api.RoleApprover}},
			{ID: "terraform", Kind: api.KindService, Owner: &owner, Accountable: "alice", Roles: []api.Role{api.RoleOperator}},
		} {
			want.KeyID = s.Key(t, want.ID)[4:20]
			got, err := s.Client(t, want.ID).GetMe(context.Background())
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v, %s", err, diff)
			}
		}
	})
}
