// Package rest turns HTTP requests into calls of the rooms, and their answers into JSON.
//
// routes.go is the table of contents: each operation with its access. One file per resource has the operations.
// Every workaround for huma is in huma.go, what the OpenAPI document needs beside the types in openapi.go. Bodies are
// read by form.go.
package rest
