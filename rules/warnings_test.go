package rules

import (
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

func TestWarnOfProfile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		days int64
		eku  string
		want string
	}{
		{90, "serverAuth", ""},
		{398, "serverAuth", ""},
		{399, "serverAuth", "398 days"},
		{825, "serverAuth", "398 days"},
		{826, "serverAuth", "825 days"},
		{3650, "clientAuth", ""},
	} {
		got := strings.Join(WarnOfProfile(api.ProfileSpec{MaxTTLSeconds: c.days * secondsPerDay, AllowedEKUs: []string{c.eku}}), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%d days for %s: %q", c.days, c.eku, got)
		}
	}
}

func TestWarnOfProfile_Identities(t *testing.T) {
	t.Parallel()
	organization := api.SubjectAttributes{Organization: []string{"Example"}}
	for name, c := range map[string]struct {
		profile api.ProfileSpec
		want    string
	}{
		"gated":                 {api.ProfileSpec{RequiresApproval: true, SubjectAttributes: organization, AllowedCommonNames: []string{"*"}}, ""},
		"attributes":            {api.ProfileSpec{SubjectAttributes: organization}, "requires_approval"},
		"common names":          {api.ProfileSpec{AllowedCommonNames: []string{"*"}}, "requires_approval"},
		"underscores":           {api.ProfileSpec{AllowUnderscores: true}, "Java"},
		"usages of a server":    {api.ProfileSpec{AllowedEKUs: []string{"serverAuth"}, KeyUsages: []string{"keyEncipherment"}}, "TLS 1.3"},
		"signatures of servers": {api.ProfileSpec{AllowedEKUs: []string{"serverAuth"}, KeyUsages: []string{"digitalSignature"}}, ""},
		"usages of a client":    {api.ProfileSpec{AllowedEKUs: []string{"clientAuth"}, KeyUsages: []string{"keyAgreement"}}, ""},
	} {
		got := strings.Join(WarnOfProfile(c.profile), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWarnOfNames(t *testing.T) {
	t.Parallel()
	got := WarnOfNames([]string{"*.co.uk", "*.example.co.uk", "*.github.io", "co.uk", "*.internal.corp", "bad name"})
	if len(got) != 2 || !strings.Contains(got[0], "*.co.uk") || !strings.Contains(got[1], "*.github.io") {
		t.Errorf("%q", got)
	}
}
