// Package provider is the Terraform provider certctl.
//
// Each object has files of its own: OBJECT_resource.go or OBJECT_data_source.go for the calls of Terraform, and
// OBJECT_schema.go, OBJECT_model.go, OBJECT_request.go, OBJECT_response.go and OBJECT_plan.go as far as it needs them.
// All objects share values.go (conversions), attributes.go (schema attributes), state.go, wait.go and diagnostics.go.
//
// Names and units are those of the API. The server checks what an object may hold. The schemas check a part of that
// earlier, by package rules. diagnostics.go reports the server's faults on the attributes.
//
// The provider never approves: its key belongs to the requester.
package provider
