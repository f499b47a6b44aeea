package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

type createProfileBody struct{ api.CreateProfile }

func (b *createProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

type replaceProfileBody struct {
	api.ProfileSpec
	Echo
}

// TransformSchema implements huma.SchemaTransformer. requires_approval is required: a PUT without it must not turn the
// gate off.
func (replaceProfileBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = append(s.Required, "requires_approval")
	return allowServerFields(r, s, reflect.TypeFor[api.EditedProfile]())
}

func (b *replaceProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

// previewProfileBody is the body of a create or of an edit.
type previewProfileBody struct {
	api.CreateProfile
	BaseVersion
}

// TransformSchema implements huma.SchemaTransformer.
func (previewProfileBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return allowServerFields(r, s, reflect.TypeFor[api.EditedProfile]())
}

func (b *previewProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

type listProfilesInput struct {
	PageQuery
	Name string `query:"name" maxLength:"255" doc:"Only the profile with exactly this name."`
}

func (s *server) listProfiles(ctx context.Context, in *listProfilesInput) (*listAnswer[api.Profile], error) {
	rows, err := web.Query(ctx, s.Store, func(tx *store.Tx) ([]api.Profile, error) {
		return profile.ShowList(tx, in.Name, in.page(false))
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(p api.Profile) store.Cursor { return store.Cursor{At: p.CreatedAt, ID: p.ID} }
	return newListAnswer(&in.PageQuery, rows, cursorOf), nil
}

// showProfile returns a profile as callers see it.
func showProfile(tx *store.Tx, p profile.Profile) (api.Profile, error) {
	views, err := profile.ShowAll(tx, p)
	if err != nil {
		return api.Profile{}, err
	}
	return views[0], nil
}

func (s *server) getProfile(ctx context.Context, in *PathID) (*objectAnswer[api.Profile], error) {
	p, err := web.Query(ctx, s.Store, func(tx *store.Tx) (api.Profile, error) { return profile.Show(tx, in.ID) })
	if err != nil {
		return nil, err
	}
	return &objectAnswer[api.Profile]{ETag: etag(p.Version), Body: p}, nil
}

type createProfileInput struct {
	RetryInput
	RequiredBody[createProfileBody]
}

func (s *server) createProfile(ctx context.Context, in *createProfileInput) (*newObjectAnswer[api.Profile], error) {
	p, err := web.WriteOnce(ctx, s.Store, in.newRetry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Profile, error) {
		p, err := s.Profiles.Create(tx, who, in.value.CreateProfile)
		if err != nil {
			return api.Profile{}, err
		}
		return showProfile(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &newObjectAnswer[api.Profile]{Location: "/api/v1/profiles/" + p.ID, ETag: etag(p.Version), Body: p}, nil
}

// EditQuery is the query of an edit.
type EditQuery struct {
	Reason   string `query:"reason" maxLength:"500" doc:"Why the edit is requested. It is kept on the approval, if the edit needs one."`
	Resubmit bool   `query:"resubmit" doc:"Whether to ask again for an edit that was rejected."`
}

type replaceProfileInput struct {
	PathID
	IfMatch
	EditQuery
	RequiredBody[replaceProfileBody]
}

// editAnswer answers a PUT: 200 with the profile, or 202 with the approval that the edit waits for.
type editAnswer struct {
	Status   int
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     any
}

func (s *server) replaceProfile(ctx context.Context, in *replaceProfileInput) (*editAnswer, error) {
	if err := in.value.checkID(in.ID); err != nil {
		return nil, err
	}
	edit := profile.Edit{
		Spec: in.value.ProfileSpec, Based: in.value.addTo(in.precondition()), Reason: in.Reason, Resubmit: in.Resubmit,
	}
	return web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (*editAnswer, error) {
		result, err := s.Profiles.Replace(tx, who, in.ID, edit)
		if err != nil {
			return nil, err
		}
		if a := result.Waiting; a != nil {
			return &editAnswer{Status: http.StatusAccepted, Location: "/api/v1/approvals/" + a.ID, Body: a.API()}, nil
		}
		p, err := showProfile(tx, result.Profile)
		return &editAnswer{Status: http.StatusOK, ETag: etag(p.Version), Body: api.EditedProfile{Profile: p, Effects: result.Effects}}, err
	})
}

type previewProfileInput struct {
	IfMatch
	EditQuery
	RequiredBody[previewProfileBody]
}

func (s *server) previewProfile(ctx context.Context, in *previewProfileInput) (*bodyAnswer[api.EditPreview], error) {
	edit := profile.Edit{
		Spec: in.value.ProfileSpec, Based: in.value.addTo(in.precondition()), Reason: in.Reason, Resubmit: in.Resubmit,
	}
	return runPreview(ctx, s, func(tx *store.Tx, who identity.Actor) (api.EditPreview, error) {
		if err := in.checkGate(tx); err != nil {
			return api.EditPreview{}, err
		}
		preview, err := s.Profiles.Preview(tx, who, in.value.ID, edit)
		if preview.Problem != nil {
			preview.Problem = web.CompleteProblem(*preview.Problem, identity.RequestID(ctx))
		}
		return preview, err
	})
}

// checkGate returns an error if an edit lacks requires_approval, as a PUT does. A new profile has a default.
func (in *previewProfileInput) checkGate(tx *store.Tx) error {
	var sent struct {
		RequiresApproval *bool `json:"requires_approval"`
	}
	if err := json.Unmarshal(in.RawBody, &sent); err != nil || sent.RequiresApproval != nil {
		return err
	}
	switch _, err := profile.Get(tx, in.value.ID); {
	case err == nil:
		return api.Invalid(api.Fault{Pointer: "/requires_approval", Detail: "is required"})
	case api.Is(err, api.CodeNotFound):
		return nil
	default:
		return err
	}
}

type deleteInput struct {
	PathID
	IfMatch
}

func (s *server) deleteProfile(ctx context.Context, in *deleteInput) (*struct{}, error) {
	return web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (*struct{}, error) {
		return &struct{}{}, s.Profiles.Delete(tx, who, in.ID, in.precondition())
	})
}
