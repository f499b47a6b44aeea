package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/certctl/terraform-provider-certctl/client"
)

// The variables that stand in for an attribute which is not set.
const (
	endpointVariable = "CERTCTL_ENDPOINT"
	apiKeyVariable   = "CERTCTL_API_KEY" //nolint:gosec // the name of a variable, not a key
	caFileVariable   = "CERTCTL_CA_FILE"
	reasonVariable   = "CERTCTL_CHANGE_REASON"
	resubmitVariable = "CERTCTL_RESUBMIT_REJECTED"
)

// authorsVariable names the authors of a change, who may not approve the certificates that it asks for. No attribute
// stands for it: a configuration does not know who changed it, and the pipeline does.
const authorsVariable = "CERTCTL_CHANGE_AUTHORS"

type certctlProvider struct{ version string }

var (
	_ provider.ProviderWithActions       = (*certctlProvider)(nil)
	_ provider.ProviderWithListResources = (*certctlProvider)(nil)
)

// New gives the provider in this version.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &certctlProvider{version: version} }
}

func (p *certctlProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "certctl"
	resp.Version = p.version
}

func (p *certctlProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerSchema()
}

// maxReason is how long a reason the server takes, in characters.
const maxReason = 500

// connection is the server, and how the provider asks it for changes. Configure makes it once.
type connection struct {
	client   *client.Client
	reason   string   // for the approvers
	resubmit bool     // ask again for edits of profiles that were rejected
	authors  []string // handles of more people who may not decide on a certificate
}

func (c connection) editOptions() client.EditOptions {
	return client.EditOptions{Reason: c.reason, Resubmit: c.resubmit}
}

func (c connection) issueOptions() client.IssueOptions {
	return client.IssueOptions{Reason: c.reason, AlsoExcluded: c.authors}
}

func (p *certctlProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var m providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	resp.Diagnostics.Append(m.check()...)
	if resp.Diagnostics.HasError() {
		return
	}
	userAgent := fmt.Sprintf("terraform-provider-certctl/%s (Terraform %s)", p.version, req.TerraformVersion)
	opts, diags := m.options()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	c, err := client.New(setting(m.Endpoint, endpointVariable), setting(m.APIKey, apiKeyVariable), append(opts, client.WithUserAgent(userAgent))...)
	if err != nil {
		resp.Diagnostics.AddError("Invalid configuration of the certctl provider", upperFirst(err.Error())+".")
		return
	}
	conn := connection{client: c}
	conn.reason, diags = m.reason()
	resp.Diagnostics.Append(diags...)
	conn.resubmit, diags = m.resubmit()
	resp.Diagnostics.Append(diags...)
	conn.authors, diags = changeAuthors()
	resp.Diagnostics.Append(diags...)
	resp.DataSourceData = conn
	resp.ResourceData = conn
	resp.ActionData = conn
	resp.ListResourceData = conn
}

func (p *certctlProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{newCertificateProfileResource, newCertificateResource}
}

func (p *certctlProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{newApprovalDataSource, newPendingApprovalsDataSource, newCertificateProfileDataSource, newCertificateProfilesDataSource}
}

// ListResources are for terraform query, of Terraform 1.14 and later.
func (p *certctlProvider) ListResources(context.Context) []func() list.ListResource {
	return []func() list.ListResource{newCertificateProfileList}
}

// connectionFrom is what Configure left. It is empty while Terraform only validates.
func connectionFrom(providerData any) connection {
	c, _ := providerData.(connection)
	return c
}

// Actions are for Terraform 1.14 and later; renewal_triggers of the certificate do the same everywhere.
func (p *certctlProvider) Actions(context.Context) []func() action.Action {
	return []func() action.Action{newRenewCertificateAction}
}
