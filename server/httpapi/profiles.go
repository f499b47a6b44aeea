package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

type createProfileBody struct{ api.CreateProfile }

func (b *createProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

// replaceProfileBody is a profile as it was got: what the server sets may be sent back if it is unchanged.
type replaceProfileBody struct {
	api.ProfileSpec
	ID                *string    `json:"id,omitempty"`
	Version           *int64     `json:"version,omitempty"`
	PendingApprovalID *string    `json:"pending_approval_id,omitempty" nullable:"true"`
	CreatedAt         *time.Time `json:"created_at,omitempty"`
	UpdatedAt         *time.Time `json:"updated_at,omitempty"`
}

// TransformSchema implements huma.SchemaTransformer. A PUT that leaves the gate out must not be taken for one that
// opens it.
func (replaceProfileBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = append(s.Required, "requires_approval")
	return s
}

func (b *replaceProfileBody) setDefaults() { b.ProfileSpec = api.DefaultProfileSpec() }

// sameAsStored are faults at the fields that the server sets and the caller sent with another value.
func (b replaceProfileBody) sameAsStored(stored api.Profile) []api.Fault {
	return slices.Concat(
		unchanged("/id", b.ID, stored.ID),
		unchanged("/version", b.Version, stored.Version),
		unchangedTime("/created_at", b.CreatedAt, stored.CreatedAt),
		unchangedTime("/updated_at", b.UpdatedAt, stored.UpdatedAt),
		unchangedPointer("/pending_approval_id", b.PendingApprovalID, stored.PendingApprovalID),
	)
}

type listProfilesInput struct {
	Paged
	Name string `query:"name" doc:"the profile of exactly this name" maxLength:"255"`
}

func (s *server) listProfiles(ctx context.Context, in *listProfilesInput) (*list[api.Profile], error) {
	rows, err := read(ctx, s, func(tx *store.Tx) ([]api.Profile, error) {
		rows, err := profile.List(tx, in.Name, in.page(false))
		if err != nil {
			return nil, err
		}
		return profile.View(tx, rows...)
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
	views, err := profile.View(tx, p)
	if err != nil {
		return api.Profile{}, err
	}
	return views[0], nil
}

func (s *server) getProfile(ctx context.Context, in *ByID) (*versioned[api.Profile], error) {
	p, err := read(ctx, s, func(tx *store.Tx) (api.Profile, error) {
		p, err := profile.Get(tx, in.ID)
		return viewedProfile(tx, p, err)
	})
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
	p, err := once(ctx, s, &in.Once, in.RawBody, func(tx *store.Tx, who identity.Actor) (api.Profile, error) {
		p, err := s.Profiles.Create(tx, who, in.value.CreateProfile)
		return viewedProfile(tx, p, err)
	})
	if err != nil {
		return nil, err
	}
	return &created[api.Profile]{Location: "/api/v1/profiles/" + p.ID, ETag: etag(p.Version), Body: p}, nil
}

type replaceProfileInput struct {
	ByID
	IfMatch
	DryRun   bool   `query:"dry_run" doc:"tell what would happen, for any reader; store nothing"`
	Reason   string `query:"reason" maxLength:"500" doc:"kept on the approval, if the edit needs one"`
	Resubmit bool   `query:"resubmit" doc:"ask again for an edit that was rejected"`
	Sent[replaceProfileBody]
}

// replaced is what became of a PUT: 200 and the profile, 202 and the approval that the edit waits for, or the preview
// of a dry run.
type replaced struct {
	Status   int
	Location string `header:"Location" doc:"with 202: the approval"`
	ETag     string `header:"ETag"`
	Body     any
}

func (s *server) replaceProfile(ctx context.Context, in *replaceProfileInput) (*replaced, error) {
	if in.DryRun {
		return s.previewProfile(ctx, in)
	}
	return write(ctx, s, func(tx *store.Tx, who identity.Actor) (*replaced, error) {
		edit, err := in.edit(tx)
		if err != nil {
			return nil, err
		}
		result, err := s.Profiles.Replace(tx, who, in.ID, edit)
		if err != nil {
			return nil, err
		}
		if a := result.Waiting; a != nil {
			return &replaced{Status: http.StatusAccepted, Location: "/api/v1/approvals/" + a.ID, Body: a.API()}, nil
		}
		p, err := viewedProfile(tx, result.Profile, nil)
		return &replaced{Status: http.StatusOK, ETag: etag(p.Version), Body: p}, err
	})
}

func (s *server) previewProfile(ctx context.Context, in *replaceProfileInput) (*replaced, error) {
	return read(ctx, s, func(tx *store.Tx) (*replaced, error) {
		edit, err := in.edit(tx)
		if err != nil {
			return nil, err
		}
		preview, err := s.Profiles.DryRun(tx, identity.From(ctx), in.ID, edit)
		if err != nil {
			return nil, err
		}
		if preview.Problem != nil {
			preview.Problem = document(*preview.Problem, identity.RequestID(ctx))
		}
		return &replaced{Status: http.StatusOK, Body: preview}, nil
	})
}

func (in *replaceProfileInput) edit(tx *store.Tx) (profile.Edit, error) {
	based, err := in.basedOn(tx)
	return profile.Edit{Spec: in.value.ProfileSpec, Based: based, Reason: in.Reason, Resubmit: in.Resubmit}, err
}

// basedOn is the version that the edit may be applied to. What the server sets is compared to what is stored, unless
// the edit is out of date: then the precondition says so, or, if it is a retry, that it was applied.
func (in *replaceProfileInput) basedOn(tx *store.Tx) (store.Precondition, error) {
	based := in.precondition()
	p, err := profile.Get(tx, in.ID)
	if err != nil || based.Check(p.Version) != nil {
		return based, err
	}
	stored, err := viewedProfile(tx, p, nil)
	if err != nil {
		return based, err
	}
	if faults := in.value.sameAsStored(stored); len(faults) > 0 {
		return based, api.Invalid(faults...)
	}
	if in.value.Version != nil {
		based = store.Precondition{stored.Version} // nobody may come in between
	}
	return based, nil
}

type deleteInput struct {
	ByID
	IfMatch
}

func (s *server) deleteProfile(ctx context.Context, in *deleteInput) (*struct{}, error) {
	return write(ctx, s, func(tx *store.Tx, who identity.Actor) (*struct{}, error) {
		return &struct{}{}, s.Profiles.Delete(tx, who, in.ID, in.precondition())
	})
}

// unchanged is a fault when a value was sent that is not the stored one.
func unchanged[T comparable](pointer string, sent *T, stored T) []api.Fault {
	if sent == nil || *sent == stored {
		return nil
	}
	return []api.Fault{{Pointer: pointer, Detail: "is set by the server: leave it out, or send what is stored"}}
}

func unchangedPointer(pointer string, sent, stored *string) []api.Fault {
	if stored == nil {
		stored = new(string)
	}
	return unchanged(pointer, sent, *stored)
}

func unchangedTime(pointer string, sent *time.Time, stored time.Time) []api.Fault {
	if sent == nil || sent.Equal(stored) {
		return nil
	}
	return unchanged(pointer, sent, stored)
}
