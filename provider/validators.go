package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/certctl/terraform-provider-certctl/rules"
)

// chosenID accepts the ids that a caller may choose. The preview of a create has no id, so the server does not check it then.
type chosenID struct{ prefix string }

var _ validator.String = chosenID{}

// Description implements validator.String.
func (v chosenID) Description(context.Context) string {
	return v.prefix + " and 1 to 63 lower-case letters, digits and hyphens, and the first of them is not a hyphen"
}

// MarkdownDescription implements validator.String.
func (v chosenID) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

var chosenPart = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ValidateString implements validator.String.
func (v chosenID) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	id := req.ConfigValue.ValueString()
	if part, ok := strings.CutPrefix(id, v.prefix); !ok || !chosenPart.MatchString(part) {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+req.Path.String(), fmt.Sprintf("%q is no id. An id is %s.", id, v.Description(ctx)))
	}
}

// positiveDuration accepts durations like 45s that are longer than nothing.
type positiveDuration struct{}

var _ validator.String = positiveDuration{}

// Description implements validator.String.
func (positiveDuration) Description(context.Context) string {
	return "a positive duration, like 45s or 2m"
}

// MarkdownDescription implements validator.String.
func (d positiveDuration) MarkdownDescription(ctx context.Context) string { return d.Description(ctx) }

// ValidateString implements validator.String.
func (d positiveDuration) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if v, err := time.ParseDuration(req.ConfigValue.ValueString()); err != nil || v <= 0 {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+req.Path.String(),
			fmt.Sprintf("%q is not %s.", req.ConfigValue.ValueString(), d.Description(ctx)))
	}
}

// csrValidator accepts exactly one CSR block. Its errors never repeat the value, which may be a private key.
type csrValidator struct{}

var _ validator.String = csrValidator{}

// Description implements validator.String.
func (csrValidator) Description(context.Context) string {
	return "exactly one PEM block of type CERTIFICATE REQUEST"
}

// MarkdownDescription implements validator.String.
func (v csrValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateString implements validator.String.
func (csrValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if fault := csrFault(req.ConfigValue.ValueString()); fault != "" {
		resp.Diagnostics.AddAttributeError(req.Path, "Not a certificate request", fault)
	}
}

// csrFault returns why a text is not exactly one CSR block; empty if it is. The server checks the content of the CSR.
func csrFault(text string) string {
	if _, err := rules.DecodeCSR(text); err != nil {
		return capitalize(err.Error()) + ".\n\nNothing was sent or stored."
	}
	return ""
}
