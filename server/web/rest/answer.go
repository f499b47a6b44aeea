package rest

import (
	"strconv"

	"github.com/certctl/terraform-provider-certctl/api"
)

// bodyAnswer is an answer that has only a body.
type bodyAnswer[T any] struct{ Body T }

// objectAnswer is an object, with its version as ETag.
type objectAnswer[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// newObjectAnswer is a new object, with its version and its path.
type newObjectAnswer[T any] struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     T
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// jobAnswer is a new job, with its path.
type jobAnswer struct {
	Location string `header:"Location"`
	Body     api.Job
}
