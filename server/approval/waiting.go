package approval

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Group is what the pending requests of a list have to do with a person.
type Group string

// The groups. Each pending request is in one of them.
const (
	GroupMine   Group = "mine"   // the person could decide the request now
	GroupOthers Group = "others" // others must decide it
	GroupOwn    Group = "own"    // the person is accountable for it
)

// ListWaiting returns a page of the pending requests of a group that the filter chooses. It leaves out the requests whose
// deadline has passed.
func ListWaiting(tx *store.Tx, who identity.Actor, group Group, f Filter, order api.ApprovalOrder, page store.Page) ([]Approval, error) {
	f.States = []api.ApprovalState{api.ApprovalPending}
	column := "created_at"
	if order == api.ApprovalsSoonestExpiry {
		column = "expires_at"
	}
	page.Newest = order == api.ApprovalsNewestFirst
	var rows []Approval
	chosen := group.apply(f.apply(tx.DB).Where("expires_at > ?", tx.Now), who)
	if err := page.On(chosen, column, "id").Select(withUndecidable).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list what waits: %w", err)
	}
	return rows, nil
}

// apply adds the conditions of a group. They choose as checkDecider does: a handle has no characters that JSON escapes, so
// the text of excluded has it in quotes.
func (g Group) apply(db *gorm.DB, who identity.Actor) *gorm.DB {
	if g == GroupOwn {
		return db.Where("accountable = ?", who.Accountable())
	}
	db = db.Where("accountable <> ?", who.Accountable())
	mayDecideSome := checkDecider(who, Approval{}, true) == nil
	const isExcluded = "(requested_by = ? OR replace(excluded, ?, '') <> excluded)"
	quoted := `"` + who.Accountable() + `"`
	switch {
	case g == GroupMine && !mayDecideSome:
		return db.Where("1 = 0")
	case g == GroupMine:
		return db.Where("NOT "+isExcluded, who.ID, quoted)
	case mayDecideSome:
		return db.Where(isExcluded, who.ID, quoted)
	}
	return db
}
