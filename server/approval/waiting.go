package approval

import (
	"fmt"
	"strings"

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

// ListWaiting returns a page of the pending requests of a group that the filter chooses. A request whose deadline has passed
// is pending until its expiry is recorded.
func ListWaiting(tx *store.Tx, who identity.Actor, group Group, f Filter, order api.ApprovalOrder, page store.Page) ([]Approval, error) {
	var rows []Approval
	err := f.listPending(group.apply(tx.DB, who), order, page).Select(withUndecidable).Find(&rows).Error
	if err != nil {
		err = fmt.Errorf("list what waits: %w", err)
	}
	return rows, err
}

// listPending is list for the pending requests.
func (f Filter) listPending(db *gorm.DB, order api.ApprovalOrder, page store.Page) *gorm.DB {
	f.States = []api.ApprovalState{api.ApprovalPending}
	return f.list(db, order, page)
}

// isExcluded is checkDecider's condition on one request, with a requester and a pattern of excludedPattern.
const isExcluded = `(requested_by = ? OR excluded LIKE ? ESCAPE '\')`

// excludedPattern matches the text of a list that has a handle: in quotes, because a handle has no characters that JSON
// escapes. Handles have no capital letters, which LIKE treats as small ones on SQLite.
func excludedPattern(handle string) string {
	return `%"` + strings.ReplaceAll(handle, "_", `\_`) + `"%`
}

// apply adds the conditions of a group. They choose as checkDecider does. PostgreSQL knows how many rows LIKE chooses, so it
// follows the index of the order.
func (g Group) apply(db *gorm.DB, who identity.Actor) *gorm.DB {
	if g == GroupOwn {
		return db.Where("accountable = ?", who.Accountable())
	}
	db = db.Where("accountable <> ?", who.Accountable())
	switch decides := mayDecideSome(who); {
	case g == GroupMine && !decides:
		return db.Where("1 = 0")
	case g == GroupMine:
		return db.Where("NOT "+isExcluded, who.ID, excludedPattern(who.Accountable()))
	case decides:
		return db.Where(isExcluded, who.ID, excludedPattern(who.Accountable()))
	}
	return db
}

// mayDecideSome reports whether somebody may decide requests that do not exclude them.
func mayDecideSome(who identity.Actor) bool { return checkDecider(who, Approval{}, true) == nil }

// ListForOthers is ListWaiting of GroupOthers, but searches only the first requests of the order, as many as window. An
// approver is rarely excluded, so a search of all may read very many requests. searched says whether it was all of them.
func ListForOthers(tx *store.Tx, who identity.Actor, f Filter, order api.ApprovalOrder, limit, window int) (rows []Approval, searched bool, err error) {
	if !mayDecideSome(who) {
		rows, err = ListWaiting(tx, who, GroupOthers, f, order, store.Page{Limit: limit})
		return rows, true, err
	}
	var ids []string
	if err := f.listPending(tx.DB.Model(&Approval{}), order, store.Page{Limit: window + 1}).Pluck("id", &ids).Error; err != nil {
		return nil, false, fmt.Errorf("list what waits: %w", err)
	}
	searched = len(ids) <= window
	err = f.listPending(GroupOthers.apply(tx.DB, who), order, store.Page{Limit: limit}).
		Where("id IN ?", ids).Select(withUndecidable).Find(&rows).Error
	if err != nil {
		err = fmt.Errorf("list what waits for others: %w", err)
	}
	return rows, searched, err
}
