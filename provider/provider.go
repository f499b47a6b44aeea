package provider

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

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
	resp.Schema = schema.Schema{
		MarkdownDescription: "certctl issues X.509 certificates. Under a gated certificate profile nothing is signed until a second person has approved exactly that request.",
		Attributes: map[string]schema.Attribute{
			"endpoint": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Address of the server without `/api/v1`, like `https://certctl.example.com`. `http://` is accepted for this machine only. Environment: `" + endpointVariable + "`.",
			},
			"api_key": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "API key of the principal that Terraform acts as. Prefer the environment, so that no file holds it: `" + apiKeyVariable + "`.",
			},
			"ca_file": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "PEM file with the CAs to trust for the server's certificate, instead of the system's. Environment: `" + caFileVariable + "`.",
			},
			"change_reason": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Why these changes are made, such as a ticket or the URL of a pull request; at most 500 characters. Whoever decides on an edit of a gated profile reads it on the approval. Environment: `" + reasonVariable + "`.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(maxReason)},
			},
			"resubmit_rejected": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Ask again for an edit of a gated profile that was rejected, although nothing in it has changed. Meant for a single run. Environment: `" + resubmitVariable + "`. Defaults to `false`.",
			},
			"request_timeout": schema.StringAttribute{
				Optional:            true,
				CustomType:          timetypes.GoDurationType{},
				MarkdownDescription: "How long one operation may take, retries included, like `45s`. Defaults to `30s`.",
			},
			"max_retries": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How often a request that failed on its way is sent again. Defaults to `3`; `0` turns retries off. Every write carries what the server needs to do it once.",
				Validators:          []validator.Int64{int64validator.Between(0, 100)},
			},
		},
	}
}

// maxReason is how long a reason the server takes, in characters.
const maxReason = 500

type providerModel struct {
	Endpoint         types.String         `tfsdk:"endpoint"`
	APIKey           types.String         `tfsdk:"api_key"`
	CAFile           types.String         `tfsdk:"ca_file"`
	ChangeReason     types.String         `tfsdk:"change_reason"`
	ResubmitRejected types.Bool           `tfsdk:"resubmit_rejected"`
	RequestTimeout   timetypes.GoDuration `tfsdk:"request_timeout"`
	MaxRetries       types.Int64          `tfsdk:"max_retries"`
}

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

// check names every setting that is missing, or that Terraform does not know yet.
func (m providerModel) check() (diags diag.Diagnostics) {
	for name, v := range map[string]attr.Value{
		"endpoint": m.Endpoint, "api_key": m.APIKey, "ca_file": m.CAFile,
		"request_timeout": m.RequestTimeout, "max_retries": m.MaxRetries,
		"change_reason": m.ChangeReason, "resubmit_rejected": m.ResubmitRejected,
	} {
		if v.IsUnknown() {
			diags.AddAttributeError(path.Root(name), "The provider needs "+name+" before it can plan",
				"Its value comes from something that Terraform has yet to create. Give a value that is known, or create that other thing first, with -target.")
		}
	}
	required := func(name string, v types.String, variable string) {
		if !v.IsUnknown() && setting(v, variable) == "" {
			diags.AddAttributeError(path.Root(name), "The certctl provider has no "+name,
				fmt.Sprintf("Set the environment variable %s, or %s in the provider block.", variable, name))
		}
	}
	required("endpoint", m.Endpoint, endpointVariable)
	required("api_key", m.APIKey, apiKeyVariable)
	return diags
}

func (m providerModel) options() (opts []client.Option, diags diag.Diagnostics) {
	if file := setting(m.CAFile, caFileVariable); file != "" {
		opts = append(opts, client.WithCAFile(file))
	}
	if !m.MaxRetries.IsNull() {
		opts = append(opts, client.WithRetries(int(m.MaxRetries.ValueInt64())))
	}
	if !m.RequestTimeout.IsNull() {
		timeout, diags := m.RequestTimeout.ValueGoDuration()
		return append(opts, client.WithTimeout(timeout)), diags
	}
	return opts, nil
}

// reason returns the reason of changes. The schema checks the length of the attribute but not of the variable.
func (m providerModel) reason() (reason string, diags diag.Diagnostics) {
	reason = setting(m.ChangeReason, reasonVariable)
	if utf8.RuneCountInString(reason) > maxReason {
		diags.AddError("Invalid value of "+reasonVariable, fmt.Sprintf("It has more than %d characters.", maxReason))
	}
	return reason, diags
}

// resubmit reports whether to ask again for edits that were rejected.
func (m providerModel) resubmit() (resubmit bool, diags diag.Diagnostics) {
	text := os.Getenv(resubmitVariable)
	if !m.ResubmitRejected.IsNull() || text == "" {
		return m.ResubmitRejected.ValueBool(), nil
	}
	resubmit, err := strconv.ParseBool(text)
	if err != nil {
		diags.AddError("Invalid value of "+resubmitVariable, fmt.Sprintf("%q is neither true nor false.", text))
	}
	return resubmit, diags
}

var handle = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)

// changeAuthors reads the handles of authorsVariable, which commas or white space separate.
func changeAuthors() (authors []string, diags diag.Diagnostics) {
	for _, author := range strings.FieldsFunc(os.Getenv(authorsVariable), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if !handle.MatchString(author) {
			diags.AddError("Invalid value of "+authorsVariable,
				fmt.Sprintf("%q is no handle of a certctl principal. Give the handles of the people who wrote the change, such as alice,bob.", author))
			continue
		}
		if !slices.Contains(authors, author) {
			authors = append(authors, author)
		}
	}
	return authors, diags
}

// setting is the attribute, or the variable if it is not set.
func setting(v types.String, variable string) string {
	if v.IsNull() {
		return os.Getenv(variable)
	}
	return v.ValueString()
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
