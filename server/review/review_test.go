// cspell:ignore examp paymetns

package review_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/review"
)

func TestOf_Issuance(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		subject func(*api.IssuanceSubject)
		context api.IssuanceContext
		holders []review.Holder

		names    []string // each with its marks, in order
		news     string
		counts   string // the news without names
		confirm  string
		warnings []string
	}{
		{
			name:    "first certificate",
			context: api.IssuanceContext{Request: api.RequestFirst, NamesAdded: []string{"pay.example.com", "www.example.com"}, KeyChanged: true},
			names:   []string{"pay.example.com", "www.example.com"},
			news:    "first certificate; 2 names: <pay.example.com>, <www.example.com>",
			counts:  "first certificate; 2 names",
			confirm: "I approve 2 names for mc-shop, all of them new",
		},
		{
			name:    "renewal with the same key",
			context: api.IssuanceContext{Request: api.RequestRenewal},
			names:   []string{"pay.example.com", "www.example.com"},
			news:    "nothing new: the same names and key",
			counts:  "nothing new: the same names and key",
			confirm: "I approve 2 names for mc-shop, as approved before",
		},
		{
			name: "a look-alike, a name that another certificate has, a name gone, a new key",
			subject: func(s *api.IssuanceSubject) {
				s.SANs = []string{"api.example.com", "pay.examp1e.com", "www.example.com"}
			},
			context: api.IssuanceContext{
				Request: api.RequestReissue, NamesAdded: []string{"api.example.com", "pay.examp1e.com"}, NamesRemoved: []string{"old.example.com"}, KeyChanged: true,
				OtherCertificates: api.OtherCertificates{Count: 1, IDs: []string{"mc-other"}},
			},
			holders: []review.Holder{{ID: "mc-other", SANs: []string{"*.example.com"}}},
			names:   []string{"pay.examp1e.com look-alike(www.example.com) new", "api.example.com new elsewhere[mc-other]", "www.example.com elsewhere[mc-other]"},
			news:    "2 new names: <api.example.com>, <pay.examp1e.com>; 1 name gone: <old.example.com>; new key",
			counts:  "2 new names; 1 name gone; new key",
			confirm: "I approve 3 names for mc-shop, 2 of them new, 1 looks like another name",
			warnings: []string{
				"<pay.examp1e.com> looks like <www.example.com>.",
				"There is 1 other certificate with the same names or the same key.",
			},
		},
		{
			name: "a wildcard, a longer lifetime and a common name of its own",
			subject: func(s *api.IssuanceSubject) {
				s.SANs, s.CommonName, s.ValiditySeconds = []string{"*.example.com"}, "Printer 7", 31536000
			},
			context: api.IssuanceContext{
				Request: api.RequestReissue, NamesAdded: []string{"*.example.com"},
				OtherChanges: []api.Change{change("validity_seconds", 7776000, 31536000), change("common_name", "", "Printer 7")},
			},
			names:   []string{"*.example.com wildcard new"},
			news:    "1 new name: <*.example.com>; Valid for changed; Common name changed",
			counts:  "1 new name; Valid for changed; Common name changed",
			confirm: "I approve 1 name for mc-shop, 1 of them new, with 2 other changes",
			warnings: []string{
				"<*.example.com> stands for every name directly under <example.com>.",
				"The common name <Printer 7> is none of the names.",
			},
		},
		{
			name: "a leaf is in place, but no human approved it",
			context: api.IssuanceContext{
				Request: api.RequestReissue, Current: &api.CurrentLeaf{}, NamesAdded: []string{"pay.example.com", "www.example.com"}, KeyChanged: true,
				OtherChanges: []api.Change{change("issuer_id", nil, "iss-local")},
			},
			names:   []string{"pay.example.com", "www.example.com"},
			news:    "no person has approved an earlier certificate; 2 names: <pay.example.com>, <www.example.com>",
			counts:  "no person has approved an earlier certificate; 2 names",
			confirm: "I approve 2 names for mc-shop, all of them new",
		},
		{
			name:     "two new names that look alike",
			subject:  func(s *api.IssuanceSubject) { s.SANs = []string{"payments.example.com", "paymetns.example.com"} },
			context:  api.IssuanceContext{Request: api.RequestFirst, NamesAdded: []string{"payments.example.com", "paymetns.example.com"}},
			names:    []string{"payments.example.com look-alike(paymetns.example.com)", "paymetns.example.com look-alike(payments.example.com)"},
			news:     "first certificate; 2 names: <payments.example.com>, <paymetns.example.com>",
			counts:   "first certificate; 2 names",
			confirm:  "I approve 2 names for mc-shop, all of them new, 2 look like another name",
			warnings: []string{"<payments.example.com> looks like <paymetns.example.com>."},
		},
		{
			name:    "more names than one line has room for",
			subject: func(s *api.IssuanceSubject) { s.SANs = numbered(5) },
			context: api.IssuanceContext{Request: api.RequestFirst, NamesAdded: numbered(5)},
			names:   numbered(5),
			news:    "first certificate; 5 names: <node-1.example.com>, <node-2.example.com>, <node-3.example.com>, 2 more",
			counts:  "first certificate; 5 names",
			confirm: "I approve 5 names for mc-shop, all of them new",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			subject := api.IssuanceSubject{
				CertificateID: "mc-shop", ProfileID: "p-prod",
				CertificateContent: api.CertificateContent{SANs: []string{"pay.example.com", "www.example.com"}, Key: api.Key{Algorithm: "ECDSA", Size: 256, SPKISHA256: "ab"}},
				ProfileContent:     api.ProfileContent{IssuerID: "iss-local", ValiditySeconds: 7776000, ExtendedKeyUsages: []string{"serverAuth"}},
			}
			if tc.subject != nil {
				tc.subject(&subject)
			}
			r := reviewOf(t, api.Approval{Kind: api.ApprovalIssuance, Subject: encode(t, subject), Context: &tc.context}, tc.holders)
			check(t, "names", describe(r.Rows[0].Now), tc.names)
			check(t, "news", r.News(bracket), tc.news)
			check(t, "news without names", r.News(nil), tc.counts)
			check(t, "confirm", r.Confirm, tc.confirm)
			check(t, "warnings", sentences(r), tc.warnings)
		})
	}
}

// A row shows what a human approved beside what is signed, also where both are equal.
func TestOf_ShowsTheBaselineBesideWhatIsSigned(t *testing.T) {
	t.Parallel()
	subject := api.IssuanceSubject{
		CertificateContent: api.CertificateContent{CommonName: "c0de signer", SANs: []string{"a.example.com"}, Key: api.Key{Algorithm: "RSA", Size: 2048, SPKISHA256: "new"}},
		ProfileContent:     api.ProfileContent{IssuerID: "iss-local", ValiditySeconds: 86400, SubjectAttributes: api.SubjectAttributes{Organization: []string{"Example Ltd"}}},
	}
	context := api.IssuanceContext{
		Request: api.RequestReissue, KeyChanged: true, NamesRemoved: []string{"b.example.com"},
		Current:      &api.CurrentLeaf{Approved: true, Key: api.Key{Algorithm: "ECDSA", Size: 256, SPKISHA256: "old"}},
		OtherChanges: []api.Change{change("common_name", "code signer", "c0de signer"), change("validity_seconds", 7200, 86400)},
	}
	r := reviewOf(t, api.Approval{Kind: api.ApprovalIssuance, Subject: encode(t, subject), Context: &context}, nil)
	var rows []string
	for _, row := range r.Rows {
		rows = append(rows, fmt.Sprintf("%s: %v, was %v, changed %v", row.Field, describe(row.Now), describe(row.Before), row.Changed))
	}
	check(t, "rows", rows, []string{
		"sans: [a.example.com], was [a.example.com b.example.com gone], changed true",
		"key: [RSA, 2048 bits, SHA-256 new new], was [ECDSA, 256 bits, SHA-256 old gone], changed true",
		"common_name: [c0de signer look-alike(code signer) new], was [code signer gone], changed true",
		"validity_seconds: [1 day new], was [2 hours gone], changed true",
		"subject_attributes: [organization Example Ltd], was [organization Example Ltd], changed false",
		"issuer_id: [iss-local], was [iss-local], changed false",
	})
}

func TestOf_ProfileEdit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		edit    func(*api.ProfileSpec)
		effects *api.EditEffects

		rows     []string
		news     string
		confirm  string
		warnings []string
	}{
		{
			name:     "the gate is turned off",
			edit:     func(s *api.ProfileSpec) { s.RequiresApproval, s.MaxSANs = false, 5 },
			rows:     []string{"requires_approval: [no new], was [yes gone]", "max_sans: [5 new], was [100 gone]"},
			news:     "Requires approval: no, was yes; Most names in a certificate: 5, was 100",
			confirm:  "I approve that certificates under p-prod need no second person, and 1 other change to its rules",
			warnings: []string{"Certificates under <p-prod> will need no second person."},
		},
		{
			name:    "names and lifetime",
			effects: &api.EditEffects{JobsCancelled: 1, RenewalsBlocked: 3},
			edit: func(s *api.ProfileSpec) {
				s.AllowedDNSNames, s.MaxTTLSeconds, s.AllowWildcardNames = []string{"**", "**.example.com"}, 3600, true
			},
			rows: []string{
				"allow_wildcard_names: [yes new], was [no gone]", "allowed_dns_names: [** new **.example.com], was [**.example.com]",
				"max_ttl_seconds: [1 hour new], was [90 days gone]",
			},
			news:    "Allow wildcard names: yes, was no; Allowed DNS names: 1 added: <**>; Longest lifetime: 1 hour, was 90 days",
			confirm: "I approve 3 changes to the rules of p-prod, 2 of which allow more",
			warnings: []string{
				"Every DNS name will be allowed.", "Wildcard names will be allowed.",
				"3 certificates can be renewed now and cannot after the edit.", "1 open request will be cancelled.",
			},
		},
		{
			name: "patterns that look like others, or allow nearly everything",
			edit: func(s *api.ProfileSpec) {
				s.AllowedDNSNames, s.AllowedIPRanges, s.AllowedCommonNames = []string{"**.com", "**.examp1e.com", "**.example.com"}, []string{"0.0.0.0/0"}, []string{"*"}
				s.AllowedEKUs, s.MaxSANs = []string{"codeSigning"}, 5
			},
			rows: []string{
				"allowed_common_names: [* new], was []", "allowed_dns_names: [**.com new **.examp1e.com look-alike(**.example.com) new **.example.com], was [**.example.com]",
				"allowed_ekus: [codeSigning new], was [serverAuth gone]", "allowed_ip_ranges: [0.0.0.0/0 new], was []", "max_sans: [5 new], was [100 gone]",
			},
			news: "Allowed common names: 1 added: <*>; Allowed DNS names: 2 added: <**.com>, <**.examp1e.com>; Allowed extended key usages: codeSigning, was serverAuth; " +
				"Allowed IP ranges: 1 added: <0.0.0.0/0>; Most names in a certificate: 5, was 100",
			confirm: "I approve 5 changes to the rules of p-prod, 4 of which allow more",
			warnings: []string{
				"<**.examp1e.com> looks like <**.example.com>.",
				"<**.com> allows names in all of the top-level domain <com>.",
				"Every IP address of <0.0.0.0/0> will be allowed.",
				"Every common name will be allowed.",
				"Certificates may be made for <codeSigning>.",
			},
		},
		{
			name:    "the usages of keys",
			edit:    func(s *api.ProfileSpec) { s.KeyUsages = []string{"digitalSignature"} },
			rows:    []string{"key_usages: [digitalSignature new], was [those of the key's algorithm gone]"},
			news:    "Key usages: digitalSignature, was those of the key's algorithm",
			confirm: "I approve 1 change to the rules of p-prod, 1 of which allows more",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := api.DefaultProfileSpec()
			before.Name, before.RequiresApproval, before.AllowedDNSNames = "Production", true, []string{"**.example.com"}
			after := before
			tc.edit(&after)
			subject := api.EditSubject{ProfileID: "p-prod", Before: api.NewProfileRules(before), After: api.NewProfileRules(after)}
			r := reviewOf(t, api.Approval{Kind: api.ApprovalProfileEdit, Subject: encode(t, subject), Effects: tc.effects}, nil)
			var rows []string
			for _, row := range r.Rows {
				rows = append(rows, fmt.Sprintf("%s: %v, was %v", row.Field, describe(row.Now), describe(row.Before)))
			}
			check(t, "rows", rows, tc.rows)
			check(t, "news", r.News(bracket), tc.news)
			check(t, "confirm", r.Confirm, tc.confirm)
			check(t, "warnings", sentences(r), tc.warnings)
		})
	}
}

// A field that this program does not know is part of what would be signed, so there is no review without it.
func TestOf_RefusesWhatItCannotShow(t *testing.T) {
	t.Parallel()
	for kind, subject := range map[api.ApprovalKind]any{
		api.ApprovalIssuance: struct {
			api.IssuanceSubject
			Policies []string `json:"policies"`
		}{Policies: []string{"1.2.3"}},
		api.ApprovalProfileEdit: struct {
			api.EditSubject
			Policies []string `json:"policies"`
		}{Policies: []string{"1.2.3"}},
	} {
		a := api.Approval{Kind: kind, Subject: encode(t, subject), Context: &api.IssuanceContext{}}
		if _, err := review.Of(a, nil); !errors.Is(err, review.ErrUnknownField) {
			t.Errorf("%s: the error is %v", kind, err)
		}
	}
}

// A new field of the subject or of the rules gets a row with a label.
func TestOf_LabelsEveryField(t *testing.T) {
	t.Parallel()
	var fields map[string]any
	spec := api.DefaultProfileSpec()
	if err := json.Unmarshal(encode(t, spec), &fields); err != nil {
		t.Fatal(err)
	}
	for field := range fields {
		if slices.Contains([]string{"description", "labels"}, field) {
			continue // no part of an edit's subject
		}
		if label := review.LabelOf(field); label == field {
			t.Errorf("the field %s has no label", field)
		}
	}
}

func reviewOf(t *testing.T, a api.Approval, holders []review.Holder) review.Review {
	t.Helper()
	r, err := review.Of(a, holders)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func change(field string, before, after any) api.Change {
	old, _ := json.Marshal(before)
	now, _ := json.Marshal(after)
	return api.Change{Pointer: "/" + field, Before: old, After: now}
}

func encode(t *testing.T, value any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func numbered(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("node-%d.example.com", i+1))
	}
	return names
}

func describe(items []review.Item) []string {
	var texts []string
	for _, item := range items {
		text := item.Text
		for _, mark := range item.Marks {
			text += " " + string(mark)
			switch mark {
			case review.LookAlike:
				text += "(" + item.Resembles + ")"
			case review.Elsewhere:
				text += "[" + strings.Join(item.HeldBy, " ") + "]"
			default:
			}
		}
		texts = append(texts, text)
	}
	return texts
}

func sentences(r review.Review) []string {
	var all []string
	for _, w := range r.Warnings {
		all = append(all, w.Format(bracket))
	}
	return all
}

func bracket(name string) string { return "<" + name + ">" }

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
