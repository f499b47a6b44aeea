package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// The audit trail and the database have these names, and readers of the audit trail search for them.
func TestActors_KeepTheirNames(t *testing.T) {
	got := map[string]string{}
	for _, a := range []identity.Actor{
		identity.Reaper, identity.Issuer, identity.Bypass, identity.CLI, identity.Scheduler("olga"),
		{ID: "olga", Kind: identity.Human},
		{ID: "terraform", Kind: identity.Service},
	} {
		got[a.ID] = string(a.Kind) + " " + a.Type()
	}
	want := map[string]string{
		"system-reaper": "system System", "system-issuer": "system System", "system-bypass": "system System",
		"system-cli": "system System", "system-scheduler": "system System",
		"olga": "human User", "terraform": "service Service",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
