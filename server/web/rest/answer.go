package rest

import "strconv"

// plain is an answer with nothing but a body.
type plain[T any] struct{ Body T }

// versioned is an object with its version.
type versioned[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// created is a new object and where it is.
type created[T any] struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     T
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }
