package provider

import (
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

func newOutputs(c api.Certificate, now time.Time) issuanceOutputs {
	o := issuanceOutputs{
		requestOutputs: requestOutputs{
			Status: types.StringValue(string(c.Status)), ApprovalID: types.StringPointerValue(c.ApprovalID), UpToDate: types.BoolValue(c.UpToDate),
		},
		leafOutputs:     newLeafOutputs(c.Current),
		RenewAt:         timetypes.NewRFC3339Null(),
		ReadyForRenewal: types.BoolValue(c.RenewAt != nil && !c.RenewAt.After(now)),
	}
	if c.ApprovalState != nil {
		o.ApprovalState = types.StringValue(string(*c.ApprovalState))
	}
	if c.Job != nil {
		o.JobID = types.StringValue(c.Job.ID)
	}
	if c.RenewAt != nil {
		o.RenewAt = newTimestamp(*c.RenewAt)
	}
	return o
}

func newLeafOutputs(leaf *api.Leaf) leafOutputs {
	if leaf == nil {
		return leafOutputs{NotBefore: timetypes.NewRFC3339Null(), NotAfter: timetypes.NewRFC3339Null(), SignedSANs: types.SetNull(types.StringType)}
	}
	return leafOutputs{
		SerialNumber: types.StringValue(leaf.SerialNumber),
		NotBefore:    newTimestamp(leaf.NotBefore), NotAfter: newTimestamp(leaf.NotAfter),
		FingerprintSHA256: types.StringValue(leaf.FingerprintSHA256), SPKISHA256: types.StringValue(leaf.SPKISHA256),
		SignedSANs: newStringSet(leaf.SANs), IssuerID: types.StringValue(leaf.IssuerID),
		CertificatePEM: types.StringValue(leaf.CertificatePEM), ChainPEM: types.StringValue(leaf.ChainPEM),
		FullChainPEM: types.StringValue(joinPEM(leaf.CertificatePEM, leaf.ChainPEM)),
	}
}

// withUnknownFrom takes from the server the outputs that the plan leaves unknown. Terraform refuses an apply that changes a
// planned value, so a known output keeps its value until the next Read. If another leaf was issued meanwhile, up_to_date is
// false: the leaf in the state is not the leaf that was requested.
func (o issuanceOutputs) withUnknownFrom(server issuanceOutputs) issuanceOutputs {
	if o.CertificatePEM.IsUnknown() {
		return server
	}
	if !o.CertificatePEM.Equal(server.CertificatePEM) {
		server.UpToDate = types.BoolValue(false)
	}
	if o.Status.IsUnknown() {
		upToDate := o.UpToDate
		o.requestOutputs = server.requestOutputs
		if !upToDate.IsUnknown() {
			o.UpToDate = upToDate
		}
	}
	if o.RenewAt.IsUnknown() {
		o.RenewAt, o.ReadyForRenewal = server.RenewAt, server.ReadyForRenewal
	}
	return o
}

// withCertificate takes the attributes from the server. Known outputs and the attributes that only Terraform has stay.
func (m certificateModel) withCertificate(c api.Certificate, now time.Time) certificateModel {
	m.ID, m.ProfileID = types.StringValue(c.ID), types.StringValue(c.ProfileID)
	m.CommonName, m.CSRPEM = types.StringValue(c.CommonName), types.StringValue(c.CSRPEM)
	m.SANs, m.Labels = newStringSet(c.SANs), newStringMap(c.Labels)
	m.AutoRenew, m.RenewBeforeSeconds = types.BoolValue(c.AutoRenew), types.Int64PointerValue(c.RenewBeforeSeconds)
	if m.WaitForIssuance.IsNull() {
		m.WaitForIssuance = types.BoolValue(false)
	}
	m.issuanceOutputs = m.withUnknownFrom(newOutputs(c, now))
	if m.CSRIgnored.IsUnknown() {
		m.CSRIgnored = newIgnoredList(c.CSRIgnored)
	}
	return m
}

// ignoredType is the type of an element of csr_ignored.
var ignoredType = types.ObjectType{AttrTypes: map[string]attr.Type{"what": types.StringType, "value": types.StringType}}

func newIgnoredList(parts []api.Ignored) types.List {
	elements := make([]attr.Value, len(parts))
	for i, part := range parts {
		elements[i] = types.ObjectValueMust(ignoredType.AttrTypes, map[string]attr.Value{
			"what": types.StringValue(part.What), "value": types.StringValue(part.Value),
		})
	}
	return types.ListValueMust(ignoredType, elements)
}

func unknownIgnored() types.List { return types.ListUnknown(ignoredType) }

// warnOfIgnored lists what the CSR asks for and the certificate will not have.
func warnOfIgnored(c api.Certificate) (diags diag.Diagnostics) {
	if len(c.CSRIgnored) == 0 {
		return nil
	}
	parts := make([]string, len(c.CSRIgnored))
	for i, part := range c.CSRIgnored {
		parts[i] = "- " + part.What + ": " + part.Value
	}
	diags.AddAttributeWarning(path.Root("csr_pem"), summaryIgnored,
		"Certificate "+c.ID+" gets its names from sans and common_name, and its usages from the profile. These parts of the CSR are ignored:\n\n"+
			strings.Join(parts, "\n"))
	return diags
}
