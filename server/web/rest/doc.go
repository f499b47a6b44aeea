// Package rest is the REST API: it calls the services for HTTP requests and answers in JSON.
//
// routes.go lists each operation with its access. Each resource has one file with its operations. Every workaround for
// huma is in huma.go. openapi.go adds what the OpenAPI document needs beside the types. form.go checks bodies.
package rest
