package rules

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Everything in the subject must be listed to be signed without approval. Each fault has its pointer.
func TestUngatedNames_Faults(t *testing.T) {
	t.Parallel()
	listed := UngatedNames{UngatedLists: api.UngatedLists{
		AllowedDNSNames: []string{"*.one.example.com", "**.deep.example.com", "exact.example.com", "bad pattern"},
		AllowedIPRanges: []string{"10.1.0.0/16", "2001:db8::/32"}, AllowedURIs: []string{"spiffe://dev.example.com/ns/*", "https://dev.example.com/**"},
		AllowedEmailDomains: []string{"dev.example.com"}, AllowedEKUs: []string{"serverAuth"},
	}}
	type content struct {
		commonName   string
		sans, usages []string
	}
	for name, c := range map[string]struct {
		content content
		want    []string // pointers
	}{
		"listed DNS names":     {content{sans: []string{"a.one.example.com", "a.deep.example.com", "a.b.deep.example.com", "exact.example.com"}}, nil},
		"every kind is listed": {content{sans: []string{"exact.example.com", "10.1.2.3", "2001:db8::1", "spiffe://dev.example.com/ns/a", "https://dev.example.com/a/b", "x@dev.example.com"}}, nil},
		"listed common name":   {content{commonName: "exact.example.com", sans: []string{"a.one.example.com", "exact.example.com"}}, nil},
		"each name is judged": {
			content{sans: []string{"other.example.com", "exact.example.com", "10.2.0.1", "spiffe://dev.example.com/other", "x@example.com", "https://dev.example.com"}},
			[]string{"/sans/0", "/sans/2", "/sans/3", "/sans/4", "/sans/5"},
		},
		"whole labels":                         {content{sans: []string{"one.example.com", "a.b.one.example.com", "deep.example.com", "x.exact.example.com", "xdeep.example.com"}}, []string{"/sans/0", "/sans/1", "/sans/2", "/sans/3", "/sans/4"}},
		"wildcards inside a pattern":           {content{sans: []string{"*.one.example.com", "*.deep.example.com", "*.a.deep.example.com"}}, nil},
		"a wildcard over a listed name":        {content{sans: []string{"*.example.com"}}, []string{"/sans/0"}},
		"a wildcard below a one-label pattern": {content{sans: []string{"*.a.one.example.com"}}, []string{"/sans/0"}},
		"IPv4 in IPv6 form":                    {content{sans: []string{"::ffff:10.1.2.3"}}, []string{"/sans/0"}},
		"another case":                         {content{sans: []string{"EXACT.example.com", "x@DEV.example.com"}}, []string{"/sans/0", "/sans/1"}},
		"no name that can be read":             {content{sans: []string{"", "bad pattern", "exact.example.com.", "*", "exact.example.com\x00.evil.com"}}, []string{"/sans/0", "/sans/1", "/sans/2", "/sans/3", "/sans/4"}},
		"no sans":                              {content{}, []string{"/sans"}},
		"a common name alone":                  {content{commonName: "exact.example.com"}, []string{"/common_name", "/sans"}},
		"a common name beside the sans":        {content{commonName: "admin.example.com", sans: []string{"exact.example.com"}}, []string{"/common_name"}},
		"an unlisted common name among the sans": {
			content{commonName: "admin.example.com", sans: []string{"admin.example.com"}}, []string{"/sans/0"},
		},
		"an unlisted usage": {content{sans: []string{"exact.example.com"}, usages: []string{"clientAuth", "serverAuth"}}, []string{"/extended_key_usages/0"}},
		"no usage at all":   {content{sans: []string{"exact.example.com"}, usages: []string{}}, []string{"/extended_key_usages"}},
		"everything at once": {
			content{commonName: "cn", sans: []string{"exact.example.com", "other.example.com"}, usages: []string{"clientAuth", "codeSigning"}},
			[]string{"/common_name", "/sans/1", "/extended_key_usages/0", "/extended_key_usages/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.content.usages == nil {
				c.content.usages = []string{"serverAuth"}
			}
			subject := api.IssuanceSubject{
				CertificateContent: api.CertificateContent{CommonName: c.content.commonName, SANs: c.content.sans},
				ProfileContent:     api.ProfileContent{ExtendedKeyUsages: c.content.usages},
			}
			var got []string
			for _, f := range listed.Faults(subject, api.ProfileSpec{}) {
				got = append(got, f.Pointer)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("faults at %v, want %v", got, c.want)
			}
			if none := (UngatedNames{}).Faults(subject, api.ProfileSpec{}); len(none) == 0 {
				t.Error("the empty list allows it")
			}
			if all := AllowAllNames().Faults(subject, api.ProfileSpec{}); all != nil {
				t.Errorf("allow_all refuses %v", all)
			}
		})
	}
}

// A profile with subject attributes, or with common names outside the sans, signs nothing without approval.
func TestUngatedNames_RefusesIdentities(t *testing.T) {
	t.Parallel()
	listed := UngatedNames{UngatedLists: api.UngatedLists{AllowedDNSNames: []string{"**"}, AllowedEKUs: []string{"clientAuth"}}}
	content := api.CertificateContent{CommonName: "a.example.com", SANs: []string{"a.example.com"}}
	for name, c := range map[string]struct {
		profile api.ProfileSpec
		want    []string // pointers
	}{
		"neither": {api.ProfileSpec{}, nil},
		"attributes": {
			api.ProfileSpec{SubjectAttributes: api.SubjectAttributes{Organization: []string{"system:masters", "b"}, Country: []string{"DE"}}},
			[]string{"/subject_attributes/country/0", "/subject_attributes/organization/0", "/subject_attributes/organization/1"},
		},
		"common names": {api.ProfileSpec{AllowedCommonNames: []string{"*"}}, []string{"/allowed_common_names"}},
	} {
		c.profile.AllowedEKUs = []string{"clientAuth"}
		var got []string
		for _, f := range listed.Faults(api.IssuanceSubject{CertificateContent: content, ProfileContent: ProfileContent(c.profile)}, c.profile) {
			got = append(got, f.Pointer)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: faults at %v, want %v", name, got, c.want)
		}
	}
}

// A new field of the subject must be checked or excluded on purpose. Otherwise it could be signed without approval.
func TestUngatedNames_EveryFieldOfTheSubjectIsJudged(t *testing.T) {
	t.Parallel()
	judged := []string{"CommonName", "SANs", "ExtendedKeyUsages", "SubjectAttributes"}
	// Key usages name nobody, and the extended key usages bound them.
	free := []string{"KeyUsages", "CertificateID", "Key", "IssuerID", "IssuerFingerprintSHA256", "ProfileID", "ValiditySeconds"}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[api.IssuanceSubject]()) {
		if !field.Anonymous && !slices.Contains(judged, field.Name) && !slices.Contains(free, field.Name) {
			t.Errorf("may any %s be signed without approval? UngatedNames.Faults must decide", field.Name)
		}
	}
}

// The lists have the syntax of a profile's.
func TestListUngated(t *testing.T) {
	t.Parallel()
	_, err := NewUngatedNames(api.UngatedLists{
		AllowedDNSNames: []string{"ok.example.com", "*.*.example.com", "UPPER.example.com"}, AllowedIPRanges: []string{"10.0.0.1/8", "10.0.0.0/8"},
		AllowedURIs: []string{"spiffe://a.example.com/**/x"}, AllowedEmailDomains: []string{"@example.com", "example.com", "example.com"},
		AllowedEKUs: []string{"serverauth", "anyExtendedKeyUsage"},
	})
	var got []string
	var refusal *api.Problem
	if !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	for _, f := range refusal.Errors {
		got = append(got, f.Pointer)
	}
	want := []string{
		"/allowed_dns_names/1", "/allowed_dns_names/2", "/allowed_ip_ranges/0", "/allowed_uris/0",
		"/allowed_email_domains/0", "/allowed_email_domains/2", "/allowed_ekus/0", "/allowed_ekus/1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults at %v, want %v", got, want)
	}
}
