package httpapi

import (
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
)

// A principal that asks for previews without end is told to wait; the others go on.
func TestPreviewLimiter(t *testing.T) {
	t.Parallel()
	s := &server{previews: newPreviewLimiter()}
	var err error
	for n := 0; err == nil; n++ {
		if n > 10*previewsAtOnce {
			t.Fatal("there is no end")
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
	answer := s.problem(t.Context(), err)
	if h, ok := answer.(huma.HeadersError); !ok || h.GetHeaders().Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", answer)
	}
	if p, ok := answer.(huma.StatusError); ok && p.GetStatus() != 429 {
		t.Errorf("status %d", p.GetStatus())
	}
}
