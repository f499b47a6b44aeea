package rest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// PathID is the part of an input that names one object.
type PathID struct {
	ID string `path:"id"`
}

// IfMatch is the part of an input that names the version a write is based on.
type IfMatch struct {
	IfMatch string `header:"If-Match"`

	headers []string
}

var strongTag = regexp.MustCompile(`^"([1-9][0-9]{0,17})"$`)

// precondition returns the versions in the header. A weak or malformed tag becomes version -1, which no object has.
func (m *IfMatch) precondition() api.Precondition {
	if len(m.headers) == 0 || len(m.headers) == 1 && strings.TrimSpace(m.headers[0]) == "*" {
		return nil
	}
	var versions api.Precondition
	for tag := range strings.SplitSeq(strings.Join(m.headers, ","), ",") {
		version := int64(-1)
		if strong := strongTag.FindStringSubmatch(strings.TrimSpace(tag)); strong != nil {
			version, _ = strconv.ParseInt(strong[1], 10, 64) // cannot fail: at most 18 digits
		}
		versions = append(versions, version)
	}
	return versions
}

// RetryInput is part of the input of every POST. A caller that got no answer may send the same request again with the
// same key.
type RetryInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255"`

	target string // method and path
}

// newRetry identifies the request with its body.
func (o *RetryInput) newRetry(body []byte) web.Retry {
	return web.Retry{Key: o.IdempotencyKey, Target: o.target, Body: body}
}
