package provider

import (
	"context"
	"fmt"
	"math/big"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// wholeNumberType is an integer whose error for a fraction names the mistake. The framework's own error blames the provider.
type wholeNumberType struct{ basetypes.Int64Type }

// Equal implements attr.Type.
func (t wholeNumberType) Equal(other attr.Type) bool {
	_, ok := other.(wholeNumberType)
	return ok
}

// ValueType implements attr.Type.
func (wholeNumberType) ValueType(context.Context) attr.Value { return wholeNumber{} }

// ValueFromInt64 implements basetypes.Int64Typable.
func (wholeNumberType) ValueFromInt64(_ context.Context, v basetypes.Int64Value) (basetypes.Int64Valuable, diag.Diagnostics) {
	return wholeNumber{v}, nil
}

// ValueFromTerraform returns an unknown value for a fraction. Validate refuses the fraction afterwards.
func (t wholeNumberType) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	if isFraction(in) {
		return wholeNumber{types.Int64Unknown()}, nil
	}
	v, err := t.Int64Type.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	return wholeNumber{v.(basetypes.Int64Value)}, nil
}

// Validate refuses a fraction.
func (t wholeNumberType) Validate(ctx context.Context, in tftypes.Value, at path.Path) diag.Diagnostics {
	if !isFraction(in) {
		return t.Int64Type.Validate(ctx, in, at)
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(at, "Invalid "+at.String(),
		fmt.Sprintf("%s must be a whole number. A division can have a fraction: floor() removes it.", at))}
}

func isFraction(in tftypes.Value) bool {
	var number *big.Float
	return in.IsKnown() && !in.IsNull() && in.As(&number) == nil && !number.IsInt()
}

// wholeNumber is a value of wholeNumberType.
type wholeNumber struct{ basetypes.Int64Value }

// Type implements attr.Value.
func (wholeNumber) Type(context.Context) attr.Type { return wholeNumberType{} }

// Equal implements attr.Value.
func (v wholeNumber) Equal(other attr.Value) bool {
	o, ok := other.(wholeNumber)
	return ok && v.Int64Value.Equal(o.Int64Value)
}
