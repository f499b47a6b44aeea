package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/certctl/terraform-provider-certctl/client"
)

// logAttempt logs one HTTP request of the provider. The log has no body, no query and no key: TF_LOG ends up in issues.
func logAttempt(ctx context.Context, a client.Attempt) {
	fields := map[string]any{
		"method": a.Method, "path": a.Path, "attempt": a.Number, "duration_ms": a.Duration.Milliseconds(),
	}
	if a.Err != nil {
		fields["error"] = a.Err.Error()
		tflog.Debug(ctx, "HTTP request without an answer", fields)
		return
	}
	fields["status"], fields["request_id"] = a.Status, a.RequestID
	tflog.Debug(ctx, "HTTP request", fields)
}
