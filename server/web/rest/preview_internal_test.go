package rest

import (
	"errors"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// A principal past the limit of previews must wait. Other principals do not.
func TestPreviewLimiter_RefusesPastTheLimit(t *testing.T) {
	t.Parallel()
	s := &server{Services: Services{Server: &web.Server{}}, previews: newPreviewLimiter()}
	var err error
	for n := 0; err == nil; n++ {
		if n > 10*previewsAtOnce {
			t.Fatal("there is no limit")
		}
		if err = s.limitPreviews("greedy"); err != nil && n < previewsAtOnce {
			t.Errorf("refused after %d", n)
		}
	}
	if !api.Is(err, api.CodeRateLimited) {
		t.Error(err)
	}
	if err := s.limitPreviews("modest"); err != nil {
		t.Error(err)
	}
	answer := s.newProblemError(t.Context(), err)
	var h huma.HeadersError
	if !errors.As(answer, &h) || h.GetHeaders().Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", answer)
	}
	var p huma.StatusError
	if !errors.As(answer, &p) || p.GetStatus() != 429 {
		t.Errorf("the status is not 429: %v", answer)
	}
}
