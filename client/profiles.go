package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/certctl/terraform-provider-certctl/api"
)

// CreateProfile makes a certificate profile.
func (c *Client) CreateProfile(ctx context.Context, p api.CreateProfile, opts ...RequestOption) (api.Profile, error) {
	r := request{method: http.MethodPost, path: profilesPath(), body: p, want: http.StatusCreated}
	return call[api.Profile](ctx, c, r.withOptions(opts))
}

// ListProfilesOptions filters profiles.
type ListProfilesOptions struct {
	Page
	Name string
}

// ListProfiles returns all profiles, or the profile with the name.
func (c *Client) ListProfiles(ctx context.Context, o ListProfilesOptions) iter.Seq2[api.Profile, error] {
	return list[api.Profile](ctx, c, profilesPath(), o.Page.query().addText("name", o.Name))
}

// GetProfile reads a profile.
func (c *Client) GetProfile(ctx context.Context, id string) (api.Profile, error) {
	return call[api.Profile](ctx, c, request{method: http.MethodGet, path: profilesPath(id), want: http.StatusOK})
}

// ReplaceProfile writes all writable fields of a profile. If the edit waits for a second person, ReplaceProfile returns an
// [*AwaitingApprovalError].
func (c *Client) ReplaceProfile(ctx context.Context, id string, spec api.ProfileSpec, opts ...EditOption) (api.EditedProfile, error) {
	r := request{
		method: http.MethodPut, path: profilesPath(id), body: spec,
		want: http.StatusOK, also: http.StatusAccepted, media: "application/json",
	}
	a, err := c.send(ctx, r.withEditOptions(opts))
	if err != nil {
		return api.EditedProfile{}, err
	}
	if a.status == http.StatusAccepted {
		approval, err := decode[api.Approval](c, r, a)
		if err != nil {
			return api.EditedProfile{}, err
		}
		return api.EditedProfile{}, &AwaitingApprovalError{Approval: approval, Endpoint: c.endpoint}
	}
	return decode[api.EditedProfile](c, r, a)
}

// PreviewProfile returns what ReplaceProfile would do, or CreateProfile if no profile has the id. It changes nothing.
func (c *Client) PreviewProfile(ctx context.Context, p api.CreateProfile, opts ...EditOption) (api.EditPreview, error) {
	r := request{method: http.MethodPost, path: profilesPath("preview"), body: p, want: http.StatusOK}
	return call[api.EditPreview](ctx, c, r.withEditOptions(opts))
}

// DeleteProfile deletes a profile that no certificate uses.
func (c *Client) DeleteProfile(ctx context.Context, id string, opts ...RequestOption) error {
	r := request{method: http.MethodDelete, path: profilesPath(id), want: http.StatusNoContent}
	_, err := c.send(ctx, r.withOptions(opts))
	return err
}

func profilesPath(rest ...string) string { return apiPath("profiles", rest...) }

// apiPath escapes the values of the caller, so that no id leads to another path.
func apiPath(collection string, rest ...string) string {
	path := basePath + "/" + collection
	for _, part := range rest {
		path += "/" + url.PathEscape(part)
	}
	return path
}
