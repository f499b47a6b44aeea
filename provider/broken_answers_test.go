package provider_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// What is not certctl's answer about this very object is an error, and the object stays in the state: only the
// server's own "there is no such thing" takes it out.
func TestRead_NeverDropsStateForABrokenAnswer(t *testing.T) {
	t.Parallel()
	notFound := func(kind, id string) string {
		return `{"type":"urn:certctl:problem:not_found","title":"Not found","status":404,"detail":"x","request_id":"r","resource_type":"` + kind + `","resource_id":"` + id + `"}`
	}
	for name, answer := range map[string]struct {
		status      int
		media, body string
	}{
		"a proxy's page":        {404, "text/html", "<html>not found</html>"},
		"another 404":           {404, "application/problem+json", `{"type":"urn:certctl:problem:no_such_route","status":404,"detail":"x"}`},
		"404 of another object": {404, "application/problem+json", notFound("profile", "p-other")},
		"an HTML success":       {200, "text/html", "<html>welcome</html>"},
		"an empty success":      {200, "application/json", ""},
		"an empty object":       {200, "application/json", "{}"},
		"another object":        {200, "application/json", `{"id":"mc-other","version":1}`},
		"cut off":               {200, "application/json", `{"id":"mc-w`},
		"a list":                {200, "application/json", `[]`},
		"unauthenticated":       {401, "application/problem+json", `{"type":"urn:certctl:problem:unauthenticated","status":401,"detail":"x"}`},
		"forbidden":             {403, "application/problem+json", `{"type":"urn:certctl:problem:forbidden","status":403,"detail":"x","principal":"a","required_roles":["viewer"]}`},
		"broken server":         {500, "text/plain", "oops"},
		"gateway":               {502, "text/html", "bad gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", answer.media)
				w.WriteHeader(answer.status)
				_, _ = io.WriteString(w, answer.body)
			}))
			t.Cleanup(server.Close)
			w := configured(t, server.URL, "ctl_a_b", nil)
			schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for typeName, id := range map[string]string{profileType: "p-cdn", certificateType: "mc-www"} {
				kind := schemas.ResourceSchemas[typeName].ValueType()
				state := object(kind, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, id)})
				resp, err := w.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: typeName, CurrentState: dynamic(t, kind, state)})
				if err != nil {
					t.Fatal(err)
				}
				if len(resp.Diagnostics) == 0 || resp.Diagnostics[0].Severity != tfprotov6.DiagnosticSeverityError {
					t.Errorf("%s: no error", typeName)
				}
				if after, err := resp.NewState.Unmarshal(kind); err != nil || !after.Equal(state) {
					t.Errorf("%s: the state became %v, %v", typeName, after, err)
				}
			}
		})
	}
}
