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

// TransformSchema implements huma.SchemaTransformer. A PUT that leaves the gate out must not be taken for one that
// opens it.
func (replaceProfileBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = append(s.Required, "requires_approval")
	return allowSentBack(r, s, reflect.TypeFor[api.EditedProfile]())
}

func (b *replaceProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

// previewProfileBody is the body of a create or of an edit.
type previewProfileBody struct {
	api.CreateProfile
	SentVersion
}

// TransformSchema implements huma.SchemaTransformer.
func (previewProfileBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return allowSentBack(r, s, reflect.TypeFor[api.EditedProfile]())
}

func (b *previewProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

type listProfilesInput struct {
	Paged
	Name string `query:"name" maxLength:"255" doc:"Only the profile with exactly this name."`
}

func (s *server) listProfiles(ctx context.Context, in *listProfilesInput) (*list[api.Profile], error) {
	rows, err := web.Query(ctx, s.Store, func(tx *store.Tx) ([]api.Profile, error) {
		return profile.ShowList(tx, in.Name, in.page(false))
	})
	if err != nil {
		return nil, err
	}
	place := func(p api.Profile) store.Cursor { return store.Cursor{At: p.CreatedAt, ID: p.ID} }
	show := func(p api.Profile) api.Profile { return p }
	return listed(&in.Paged, rows, place, show), nil
}

// viewedProfile shows one profile inside the transaction that found or wrote it.
func viewedProfile(tx *store.Tx, p profile.Profile, err error) (api.Profile, error) {
	if err != nil {
		return api.Profile{}, err
	}
	views, err := profile.ShowAll(tx, p)
	if err != nil {
		return api.Profile{}, err
	}
	return views[0], nil
}

func (s *server) getProfile(ctx context.Context, in *ByID) (*versioned[api.Profile], error) {
	p, err := web.Query(ctx, s.Store, func(tx *store.Tx) (api.Profile, error) { return profile.Show(tx, in.ID) })
	if err != nil {
		return nil, err
	}
	return &versioned[api.Profile]{ETag: etag(p.Version), Body: p}, nil
}

type createProfileInput struct {
	Once
	Sent[createProfileBody]
}

func (s *server) createProfile(ctx context.Context, in *createProfileInput) (*created[api.Profile], error) {
	p, err := web.Once(ctx, s.Store, in.retry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Profile, error) {
		p, err := s.Profiles.Create(tx, who, in.value.CreateProfile)
		return viewedProfile(tx, p, err)
	})
	if err != nil {
		return nil, err
	}
	return &created[api.Profile]{Location: "/api/v1/profiles/" + p.ID, ETag: etag(p.Version), Body: p}, nil
}

// EditQuery is the query of an edit.
type EditQuery struct {
	Reason   string `query:"reason" maxLength:"500" doc:"Why the edit is requested. It is kept on the approval, if the edit needs one."`
	Resubmit bool   `query:"resubmit" doc:"Whether to ask again for an edit that was rejected."`
}

type replaceProfileInput struct {
	ByID
	IfMatch
	EditQuery
	Sent[replaceProfileBody]
}

// replaced is the answer to a PUT: 200 and the profile, or 202 and the approval that the edit waits for.
type replaced struct {
	Status   int
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     any
}

func (s *server) replaceProfile(ctx context.Context, in *replaceProfileInput) (*replaced, error) {
	if err := in.value.check(in.ID); err != nil {
		return nil, err
	}
	edit := profile.Edit{
		Spec: in.value.ProfileSpec, Based: in.value.precondition(in.precondition()), Reason: in.Reason, Resubmit: in.Resubmit,
	}
	return web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (*replaced, error) {
		result, err := s.Profiles.Replace(tx, who, in.ID, edit)
		if err != nil {
			return nil, err
		}
		if a := result.Waiting; a != nil {
			return &replaced{Status: http.StatusAccepted, Location: "/api/v1/approvals/" + a.ID, Body: a.API()}, nil
		}
		p, err := viewedProfile(tx, result.Profile, nil)
		return &replaced{Status: http.StatusOK, ETag: etag(p.Version), Body: api.EditedProfile{Profile: p, Effects: result.Effects}}, err
	})
}

type previewProfileInput struct {
	IfMatch
	EditQuery
	Sent[previewProfileBody]
}

func (s *server) previewProfile(ctx context.Context, in *previewProfileInput) (*plain[api.EditPreview], error) {
	edit := profile.Edit{
		Spec: in.value.ProfileSpec, Based: in.value.precondition(in.precondition()), Reason: in.Reason, Resubmit: in.Resubmit,
	}
	return preview(ctx, s, func(tx *store.Tx, who identity.Actor) (api.EditPreview, error) {
		if err := in.checkGate(tx); err != nil {
			return api.EditPreview{}, err
		}
		told, err := s.Profiles.Preview(tx, who, in.value.ID, edit)
		if told.Problem != nil {
			told.Problem = web.Document(*told.Problem, identity.RequestID(ctx))
		}
		return told, err
	})
}

// checkGate refuses an edit that leaves the gate out, as a PUT does. A new profile has a default.
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
	ByID
	IfMatch
}

func (s *server) deleteProfile(ctx context.Context, in *deleteInput) (*struct{}, error) {
	return web.Write(ctx, s.Store, func(tx *store.Tx, who identity.Actor) (*struct{}, error) {
		return &struct{}{}, s.Profiles.Delete(tx, who, in.ID, in.precondition())
	})
}
