package console

import (
	"net/url"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/review"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// profilesPage is what the page Profiles shows.
type profilesPage struct {
	Rows []api.Profile
	More string // the path of the next profiles; empty if there are none
}

// showProfiles lists the profiles, oldest first.
func (s *site) showProfiles(tx *store.Tx, v *visit) (view, error) {
	var after store.Cursor
	if text := v.c.Query("after"); text != "" {
		var err error
		if after, err = store.ParseCursor(text); err != nil {
			return view{}, noSuchList()
		}
	}
	rows, err := profile.ShowList(tx, "", store.Page{Limit: maxListed + 1, After: after})
	if err != nil {
		return view{}, err
	}
	page := profilesPage{Rows: rows}
	if len(rows) > maxListed {
		page.Rows = rows[:maxListed]
		last := rows[maxListed-1]
		page.More = "/profiles?after=" + url.QueryEscape(store.Cursor{At: last.CreatedAt, ID: last.ID}.String())
	}
	return view{Page: "profiles", Title: "Profiles", Data: page}, nil
}

// profilePage is what the page of a profile shows.
type profilePage struct {
	api.Profile
	Rules []review.Row
}

// showProfile shows the rules of a profile, and the edit that waits.
func (s *site) showProfile(tx *store.Tx, v *visit) (view, error) {
	p, err := profile.Show(tx, v.c.Param("id"))
	if err != nil {
		return view{}, err
	}
	rules, err := review.OfProfile(p.ProfileSpec)
	if err != nil {
		return view{}, err
	}
	return view{Page: "profile", Title: p.Name, Data: profilePage{Profile: p, Rules: rules}}, nil
}
