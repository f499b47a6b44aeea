package provider

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"pgregory.net/rapid"

	"github.com/certctl/terraform-provider-certctl/api"
)

// A certificate survives the round trip through state, so an update of one attribute changes no other. The outputs are
// the server's. The attributes that only Terraform has stay.
func TestCertificateModel_RoundTrip(t *testing.T) {
	s := certificateSchema(t.Context())
	rapid.Check(t, func(t *rapid.T) {
		c, now := certificates().Draw(t, "certificate"), times().Draw(t, "now")
		prior := importedCertificate(t, c.ID)
		prior.issuanceOutputs, prior.CSRIgnored = unknownOutputs(), unknownIgnored()
		prior.RenewalTriggers = newStringMap(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "triggers"))
		prior.WaitForIssuance = types.BoolValue(rapid.Bool().Draw(t, "wait"))

		got := throughState(t, s, prior.withCertificate(c, now))
		if diff := cmp.Diff(c.CertificateSpec, got.spec()); diff != "" {
			t.Error(diff)
		}
		if got.ID.ValueString() != c.ID || !got.RenewalTriggers.Equal(prior.RenewalTriggers) || !got.WaitForIssuance.Equal(prior.WaitForIssuance) || !got.Timeouts.IsNull() {
			t.Errorf("%+v became %+v", prior, got)
		}
		if diff := cmp.Diff(c.CSRIgnored, ignoredParts(got.CSRIgnored)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(expectedOutputs(c, now), actualOutputs(got.issuanceOutputs)); diff != "" {
			t.Error(diff)
		}
	})
}

func ignoredParts(list types.List) []api.Ignored {
	out := []api.Ignored{}
	for _, e := range list.Elements() {
		members := e.(types.Object).Attributes()
		out = append(out, api.Ignored{What: members["what"].(types.String).ValueString(), Value: members["value"].(types.String).ValueString()})
	}
	return out
}

// importedCertificate returns the model of a certificate with an id alone.
func importedCertificate(t *rapid.T, id string) (m certificateModel) {
	ctx := context.Background()
	s := certificateSchema(ctx)
	state := tfsdk.State{Schema: s, Raw: tftypes.NewValue(s.Type().TerraformType(ctx), nil)}
	diags := state.SetAttribute(ctx, path.Root("id"), id)
	diags.Append(state.Get(ctx, &m)...)
	if diags.HasError() {
		t.Fatal(diags)
	}
	return m
}

// outputValues are the outputs of a certificate; nil is null.
type outputValues struct {
	Status                                                                         string
	Job, Approval, ApprovalState, RenewAt                                          *string
	Serial, NotBefore, NotAfter, Fingerprint, SPKI, Issuer, Leaf, Chain, FullChain *string
	SANs                                                                           []string // sorted
	Ready, UpToDate                                                                bool
}

func expectedOutputs(c api.Certificate, now time.Time) outputValues {
	out := outputValues{Status: string(c.Status), Approval: c.ApprovalID, ApprovalState: (*string)(c.ApprovalState), UpToDate: c.UpToDate}
	if c.Job != nil {
		out.Job = &c.Job.ID
	}
	if c.RenewAt != nil {
		out.RenewAt, out.Ready = utc(*c.RenewAt), now.Equal(*c.RenewAt) || now.After(*c.RenewAt)
	}
	if l := c.Current; l != nil {
		out.Serial, out.NotBefore, out.NotAfter, out.Fingerprint, out.SPKI = &l.SerialNumber, utc(l.NotBefore), utc(l.NotAfter), &l.FingerprintSHA256, &l.SPKISHA256
		out.SANs, out.Issuer, out.Leaf, out.Chain, out.FullChain = slices.Sorted(slices.Values(l.SANs)), &l.IssuerID, &l.CertificatePEM, &l.ChainPEM, new(l.CertificatePEM+l.ChainPEM)
	}
	return out
}

func actualOutputs(o issuanceOutputs) outputValues {
	return outputValues{
		Status: o.Status.ValueString(), Job: o.JobID.ValueStringPointer(), Approval: o.ApprovalID.ValueStringPointer(),
		ApprovalState: o.ApprovalState.ValueStringPointer(), RenewAt: o.RenewAt.ValueStringPointer(),
		Serial: o.SerialNumber.ValueStringPointer(), NotBefore: o.NotBefore.ValueStringPointer(), NotAfter: o.NotAfter.ValueStringPointer(),
		Fingerprint: o.FingerprintSHA256.ValueStringPointer(), SPKI: o.SPKISHA256.ValueStringPointer(), Issuer: o.IssuerID.ValueStringPointer(),
		SANs: slices.Sorted(slices.Values(stringsOf(o.SignedSANs.Elements()))),
		Leaf: o.CertificatePEM.ValueStringPointer(), Chain: o.ChainPEM.ValueStringPointer(), FullChain: o.FullChainPEM.ValueStringPointer(),
		Ready: o.ReadyForRenewal.ValueBool(), UpToDate: o.UpToDate.ValueBool(),
	}
}

func utc(t time.Time) *string {
	return new(t.UTC().Format("2006-01-02T15:04:05.999999999Z"))
}

func certificates() *rapid.Generator[api.Certificate] {
	word := rapid.String()
	return rapid.Custom(func(t *rapid.T) api.Certificate {
		return api.Certificate{
			ID: word.Draw(t, "id"), CertificateSpec: certificateSpecs().Draw(t, "spec"),
			RenewAt:       rapid.Ptr(times(), true).Draw(t, "renew_at"),
			Status:        api.CertificateStatus(word.Draw(t, "status")),
			UpToDate:      rapid.Bool().Draw(t, "up_to_date"),
			Current:       rapid.Ptr(leaves(), true).Draw(t, "current"),
			Job:           rapid.Ptr(rapid.Map(word, func(id string) api.JobSummary { return api.JobSummary{ID: id} }), true).Draw(t, "job"),
			CSRIgnored:    rapid.SliceOf(ignored()).Draw(t, "csr_ignored"),
			ApprovalID:    rapid.Ptr(word, true).Draw(t, "approval"),
			ApprovalState: rapid.Ptr(rapid.Map(word, func(s string) api.ApprovalState { return api.ApprovalState(s) }), true).Draw(t, "approval_state"),
		}
	})
}

func ignored() *rapid.Generator[api.Ignored] {
	return rapid.Custom(func(t *rapid.T) api.Ignored {
		return api.Ignored{What: rapid.String().Draw(t, "what"), Value: rapid.String().Draw(t, "value")}
	})
}

func certificateSpecs() *rapid.Generator[api.CertificateSpec] {
	return rapid.Custom(func(t *rapid.T) api.CertificateSpec {
		return api.CertificateSpec{
			CommonName:         rapid.String().Draw(t, "common_name"),
			SANs:               rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]).Draw(t, "sans"),
			ProfileID:          rapid.String().Draw(t, "profile_id"),
			CSRPEM:             rapid.String().Draw(t, "csr_pem"),
			AutoRenew:          rapid.Bool().Draw(t, "auto_renew"),
			RenewBeforeSeconds: rapid.Ptr(rapid.Int64(), true).Draw(t, "renew_before_seconds"),
			Labels:             rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "labels"),
		}
	})
}

func leaves() *rapid.Generator[api.Leaf] {
	return rapid.Custom(func(t *rapid.T) api.Leaf {
		return api.Leaf{
			SerialNumber: rapid.String().Draw(t, "serial"), NotBefore: times().Draw(t, "not_before"), NotAfter: times().Draw(t, "not_after"),
			FingerprintSHA256: rapid.String().Draw(t, "fingerprint"), SPKISHA256: rapid.String().Draw(t, "spki"), IssuerID: rapid.String().Draw(t, "issuer"),
			SANs:           rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]).Draw(t, "signed_sans"),
			CertificatePEM: rapid.String().Draw(t, "leaf") + "\n", ChainPEM: rapid.String().Draw(t, "chain"),
		}
	})
}

// times are in any zone, with microseconds, and close enough to be equal at times.
func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		zone := time.FixedZone("", 3600*rapid.IntRange(-12, 14).Draw(t, "zone"))
		return time.UnixMicro(rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 1<<52)).Draw(t, "moment")).In(zone)
	})
}
