// Package provider is the Terraform provider certctl.
//
// Names and units are the API's. What a profile may hold is the server's to say: the schemas check only
// what they must know themselves, and diagnostics.go brings the server's faults back to the attributes.
// Nothing here approves anything: Terraform's key is the requester's.
package provider
