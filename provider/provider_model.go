package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/rules"
)

type providerModel struct {
	Endpoint         types.String `tfsdk:"endpoint"`
	APIKey           types.String `tfsdk:"api_key"`
	CAFile           types.String `tfsdk:"ca_file"`
	CAPEM            types.String `tfsdk:"ca_pem"`
	ClientCert       types.String `tfsdk:"client_certificate"`
	ClientKey        types.String `tfsdk:"client_key"`
	ChangeReason     types.String `tfsdk:"change_reason"`
	ResubmitRejected types.Bool   `tfsdk:"resubmit_rejected"`
	RequestTimeout   types.String `tfsdk:"request_timeout"`
	MaxRetries       types.Int64  `tfsdk:"max_retries"`
}

// checkSettings returns an error for every setting that is missing or unknown.
func (m providerModel) checkSettings() (diags diag.Diagnostics) {
	for name, v := range map[string]attr.Value{
		"endpoint": m.Endpoint, "api_key": m.APIKey, "ca_file": m.CAFile, "ca_pem": m.CAPEM,
		"client_certificate": m.ClientCert, "client_key": m.ClientKey,
		"request_timeout": m.RequestTimeout, "max_retries": m.MaxRetries,
		"change_reason": m.ChangeReason, "resubmit_rejected": m.ResubmitRejected,
	} {
		if v.IsUnknown() {
			diags.AddAttributeError(path.Root(name), "The provider needs "+name+" before it can plan",
				"The value comes from an object that does not exist yet. Set a known value, or create that object first with -target.")
		}
	}
	required := func(name string, v types.String, variable string) {
		if v.IsUnknown() || settingOf(v, variable) != "" {
			return
		}
		detail := fmt.Sprintf("Set the environment variable %s, or %s in the provider block.", variable, name)
		if !v.IsNull() {
			detail = fmt.Sprintf("The value in the provider block is empty. Set %s there, or leave it out: then the environment variable %s counts.", name, variable)
		}
		diags.AddAttributeError(path.Root(name), "The certctl provider has no "+name, detail)
	}
	required("endpoint", m.Endpoint, endpointVariable)
	required("api_key", m.APIKey, apiKeyVariable)
	return diags
}

// tlsOptions returns the trusted CAs and the client certificate. An attribute for CAs replaces the variables of both.
func (m providerModel) tlsOptions() (opts []client.Option, diags diag.Diagnostics) {
	file, text := settingOf(m.CAFile, caFileVariable), settingOf(m.CAPEM, caPEMVariable)
	if m.CAFile.IsNull() != m.CAPEM.IsNull() {
		file, text = m.CAFile.ValueString(), m.CAPEM.ValueString()
	}
	switch {
	case file != "" && text != "":
		diags.AddAttributeError(path.Root("ca_pem"), "The certctl provider has CAs twice",
			fmt.Sprintf("Set either ca_file (%s) or ca_pem (%s).", caFileVariable, caPEMVariable))
	case file != "":
		opts = append(opts, client.WithCAFile(file))
	case text != "":
		opts = append(opts, client.WithCAPEM(text))
	}
	certificate, key := settingOf(m.ClientCert, clientCertificateVariable), settingOf(m.ClientKey, clientKeyVariable)
	switch {
	case certificate != "" && key != "":
		opts = append(opts, client.WithClientCertificate(certificate, key))
	case certificate != "":
		diags.AddAttributeError(path.Root("client_certificate"), "The client certificate has no key", fmt.Sprintf("Set client_key (%s).", clientKeyVariable))
	case key != "":
		diags.AddAttributeError(path.Root("client_key"), "The client key has no certificate", fmt.Sprintf("Set client_certificate (%s).", clientCertificateVariable))
	}
	return opts, diags
}

func (m providerModel) clientOptions() (opts []client.Option, diags diag.Diagnostics) {
	opts, diags = m.tlsOptions()
	if diags.HasError() {
		return nil, diags
	}
	if !m.MaxRetries.IsNull() {
		opts = append(opts, client.WithRetries(int(m.MaxRetries.ValueInt64())))
	}
	if !m.RequestTimeout.IsNull() {
		timeout, err := time.ParseDuration(m.RequestTimeout.ValueString())
		if err != nil {
			return opts, nil // positiveDuration has refused the value
		}
		opts = append(opts, client.WithTimeout(timeout))
	}
	return opts, nil
}

// settingAttributes has the attribute of each setting of the client, and the variable that replaces the attribute.
var settingAttributes = map[client.Setting]struct{ name, variable string }{
	client.SettingEndpoint: {"endpoint", endpointVariable},
	client.SettingAPIKey:   {"api_key", apiKeyVariable},
	client.SettingCAFile:   {"ca_file", caFileVariable},
	client.SettingCAPEM:    {"ca_pem", caPEMVariable},
	client.SettingRetries:  {"max_retries", ""},
	client.SettingTimeout:  {"request_timeout", ""},

	client.SettingClientCertificate: {"client_certificate", clientCertificateVariable},
}

// explainSetting returns the error of a setting that the client refuses, on its attribute and with its variable.
func explainSetting(err error) diag.Diagnostic {
	detail := capitalize(err.Error()) + "."
	wrong, ok := errors.AsType[*client.SettingError](err)
	if !ok {
		return diag.NewErrorDiagnostic("Invalid configuration of the certctl provider", detail)
	}
	at := settingAttributes[wrong.Setting]
	name := at.name
	if at.variable != "" {
		name += " (" + at.variable + ")"
	}
	return diag.NewAttributeErrorDiagnostic(path.Root(at.name), "Invalid "+name+" of the certctl provider", detail)
}

func (m providerModel) newClient(opts ...client.Option) (*client.Client, error) {
	return client.New(settingOf(m.Endpoint, endpointVariable), settingOf(m.APIKey, apiKeyVariable), opts...)
}

// keyCheckTimeout bounds the check of the key.
const keyCheckTimeout = 5 * time.Second

// checkKey returns the holder of the key, and an error if the server refuses the key. Without this check each resource would
// have that error. Any other answer is no error here, because the plan may not need the server. The check has a client of its
// own, which does not retry and whose failure hides no later error.
func (m providerModel) checkKey(ctx context.Context, opts []client.Option) (me api.Me, diags diag.Diagnostics) {
	c, err := m.newClient(append(slices.Clone(opts), client.WithRetries(0), client.WithTimeout(keyCheckTimeout))...)
	if err != nil {
		return me, nil // Configure explains it
	}
	me, err = c.GetMe(ctx)
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Code() == api.CodeUnauthenticated {
		diags.AddAttributeError(path.Root("api_key"), "The certctl server refuses the key", attempt{}.describe(p))
	}
	return me, diags
}

// readReason returns the reason of changes. The schema checks the length of the attribute, but not of the variable.
func (m providerModel) readReason() (reason string, diags diag.Diagnostics) {
	reason = settingOf(m.ChangeReason, reasonVariable)
	if utf8.RuneCountInString(reason) > maxReason {
		diags.AddAttributeError(path.Root("change_reason"), "Invalid value of change_reason ("+reasonVariable+")", fmt.Sprintf("The value has more than %d characters.", maxReason))
	}
	return reason, diags
}

// readResubmit reports whether to ask again for edits that were rejected.
func (m providerModel) readResubmit() (resubmit bool, diags diag.Diagnostics) {
	text := os.Getenv(resubmitVariable)
	if !m.ResubmitRejected.IsNull() || text == "" {
		return m.ResubmitRejected.ValueBool(), nil
	}
	resubmit, err := strconv.ParseBool(text)
	if err != nil {
		diags.AddAttributeError(path.Root("resubmit_rejected"), "Invalid value of "+resubmitVariable, fmt.Sprintf("%q is neither true nor false.", text))
	}
	return resubmit, diags
}

// readChangeAuthors returns the handles in authorsVariable, which are separated by commas or white space.
func readChangeAuthors() (authors []string, diags diag.Diagnostics) {
	for _, author := range strings.FieldsFunc(os.Getenv(authorsVariable), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if rules.CheckHandle(author) != nil {
			diags.AddError("Invalid value of "+authorsVariable,
				fmt.Sprintf("%q is no handle of a certctl principal. Give the handles of the authors of the change, such as alice,bob.", author))
			continue
		}
		if !slices.Contains(authors, author) {
			authors = append(authors, author)
		}
	}
	return authors, diags
}

// settingOf returns the attribute, or the variable if the attribute is not set.
func settingOf(v types.String, variable string) string {
	if v.IsNull() {
		return os.Getenv(variable)
	}
	return v.ValueString()
}
