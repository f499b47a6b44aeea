package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// The environment variables that replace attributes which are not set.
const (
	endpointVariable = "CERTCTL_ENDPOINT"
	apiKeyVariable   = "CERTCTL_API_KEY" //nolint:gosec // the name of a variable, not a key
	caFileVariable   = "CERTCTL_CA_FILE"
	caPEMVariable    = "CERTCTL_CA_PEM"
	reasonVariable   = "CERTCTL_CHANGE_REASON"
	resubmitVariable = "CERTCTL_RESUBMIT_REJECTED"

	clientCertificateVariable = "CERTCTL_CLIENT_CERTIFICATE"
	clientKeyVariable         = "CERTCTL_CLIENT_KEY"
)

// authorsVariable holds the handles of the authors of a change. They may not approve the certificates that it asks for. It
// has no attribute: the pipeline knows the authors of a configuration, the configuration does not.
const authorsVariable = "CERTCTL_CHANGE_AUTHORS"

type certctlProvider struct{ version string }

var (
	_ provider.ProviderWithActions       = (*certctlProvider)(nil)
	_ provider.ProviderWithListResources = (*certctlProvider)(nil)
)

// New returns a function that makes the provider in a version.
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

// maxReason is the largest number of characters of a reason that the server accepts.
const maxReason = 500

// connection is the server, and how the provider asks it for changes. Configure makes it once.
type connection struct {
	client   *client.Client
	reason   string   // for the approvers
	resubmit bool     // ask again for edits of profiles that were rejected
	authors  []string // handles of more people who may not decide on a certificate
	me       api.Me   // the holder of the key; empty if the server did not answer
	previews *previews
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
	resp.Diagnostics.Append(m.checkSettings()...)
	if resp.Diagnostics.HasError() {
		return
	}
	userAgent := fmt.Sprintf("terraform-provider-certctl/%s (Terraform %s)", p.version, req.TerraformVersion)
	opts, diags := m.clientOptions()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	opts = append(opts, client.WithUserAgent(userAgent), client.WithObserver(logAttempt))
	c, err := m.newClient(opts...)
	if err != nil {
		resp.Diagnostics.Append(explainSetting(err))
		return
	}
	conn := connection{client: c, previews: &previews{}}
	conn.me, diags = m.checkKey(ctx, opts)
	resp.Diagnostics.Append(diags...)
	conn.reason, diags = m.readReason()
	resp.Diagnostics.Append(diags...)
	conn.resubmit, diags = m.readResubmit()
	resp.Diagnostics.Append(diags...)
	conn.authors, diags = readChangeAuthors()
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
	return []func() datasource.DataSource{
		newApprovalDataSource, newPendingApprovalsDataSource, newCertificateProfileDataSource, newCertificateProfilesDataSource,
		newCertificateDataSource, newCertificatesDataSource,
	}
}

// ListResources are for the command terraform query of Terraform 1.14 and later.
func (p *certctlProvider) ListResources(context.Context) []func() list.ListResource {
	return []func() list.ListResource{newCertificateProfileList, newCertificateList}
}

// connectionOf returns the connection that Configure made. It is empty while Terraform only validates.
func connectionOf(providerData any) connection {
	c, _ := providerData.(connection)
	return c
}

// Actions are for Terraform 1.14 and later. The attribute renewal_triggers does the same in every version.
func (p *certctlProvider) Actions(context.Context) []func() action.Action {
	return []func() action.Action{newRenewCertificateAction}
}
