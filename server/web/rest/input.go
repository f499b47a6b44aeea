package rest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// ByID is the input of an operation on one object.
type ByID struct {
	ID string `path:"id"`
}

// IfMatch is the input of an operation that may depend on the version it is based on.
type IfMatch struct {
	IfMatch string `header:"If-Match"`

	sent []string
}

var strongTag = regexp.MustCompile(`^"([1-9][0-9]{0,17})"$`)

// precondition holds the versions that are named. A weak or malformed tag, and one that certctl never gave, is
// version -1, which nothing has.
func (m *IfMatch) precondition() api.Precondition {
	if len(m.sent) == 0 || len(m.sent) == 1 && strings.TrimSpace(m.sent[0]) == "*" {
		return nil
	}
	var versions api.Precondition
	for tag := range strings.SplitSeq(strings.Join(m.sent, ","), ",") {
		version := int64(-1)
		if strong := strongTag.FindStringSubmatch(strings.TrimSpace(tag)); strong != nil {
			version, _ = strconv.ParseInt(strong[1], 10, 64) // its form says that it is one
		}
		versions = append(versions, version)
	}
	return versions
}

// Once is part of the input of every POST: a caller that got no answer may send the same request again with the same
// key.
type Once struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255"`

	target string // method and path
}

// retry identifies the request with its body.
func (o *Once) retry(body []byte) web.Retry {
	return web.Retry{Key: o.IdempotencyKey, Target: o.target, Body: body}
}
