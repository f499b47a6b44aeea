package approval

import (
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Get returns an approval, or a not_found problem.
func Get(tx *store.Tx, id string) (Approval, error) {
	if !wellFormedID.MatchString(id) {
		return Approval{}, api.NotFound("approval", id)
	}
	var a Approval
	found, err := tx.Find(&a, "SELECT "+withUndecidable+" FROM approvals WHERE id = ?", id)
	if err != nil {
		return Approval{}, fmt.Errorf("look up approval %s: %w", id, err)
	}
	if !found {
		return Approval{}, api.NotFound("approval", id)
	}
	return a, nil
}

// Share returns an approval and keeps its state until the transaction ends; false if there is none.
func Share(tx *store.Tx, id string) (Approval, bool, error) { return find(tx, id, "FOR SHARE") }

// Lock is Share for a caller that may end the approval.
func Lock(tx *store.Tx, id string) (Approval, bool, error) { return find(tx, id, "FOR UPDATE") }

func find(tx *store.Tx, id, lock string) (Approval, bool, error) {
	var a Approval
	found, err := tx.Find(&a, "SELECT * FROM approvals WHERE id = ?"+tx.Locking(lock), id)
	if err != nil {
		err = fmt.Errorf("look up approval %s: %w", id, err)
	}
	return a, found, err
}

// pendingCondition chooses what waits. The state is a literal: the partial indexes of pending approvals fit no parameter.
const pendingCondition = "state = 'pending'"

// Filter chooses approvals. An empty field chooses all.
type Filter struct {
	States         []api.ApprovalState
	Kind           api.ApprovalKind
	ProfileID      string
	CertificateUID string
	RequestedBy    string
	DecidedBy      string
	Digest         string
	Since          time.Time // requested at this time or later
}

func (f Filter) apply(db *gorm.DB) *gorm.DB {
	for _, c := range []struct{ condition, value string }{
		{"kind = ?", string(f.Kind)},
		{"profile_id = ?", f.ProfileID},
		{"certificate_uid = ?", f.CertificateUID},
		{"requested_by = ?", f.RequestedBy},
		{"decided_by = ?", f.DecidedBy},
		{"digest = ?", f.Digest},
	} {
		if c.value != "" {
			db = db.Where(c.condition, c.value)
		}
	}
	if !f.Since.IsZero() {
		db = db.Where("created_at >= ?", f.Since)
	}
	switch len(f.States) {
	case 0:
	case 1: // a plan for one state follows its index in order
		if f.States[0] == api.ApprovalPending {
			return db.Where(pendingCondition)
		}
		db = db.Where("state = ?", f.States[0])
	default:
		db = db.Where("state IN ?", f.States)
	}
	return db
}

// List returns a page of approvals.
func List(tx *store.Tx, f Filter, order api.ApprovalOrder, page store.Page) ([]Approval, error) {
	var rows []Approval
	err := f.list(tx.DB, order, page).Select(withUndecidable).Find(&rows).Error
	return rows, err
}

// list adds the filter, the order and the page to a query of approvals.
func (f Filter) list(db *gorm.DB, order api.ApprovalOrder, page store.Page) *gorm.DB {
	column := "created_at"
	if order == api.ApprovalsSoonestExpiry {
		column = "expires_at"
	}
	page.Newest = order == api.ApprovalsNewestFirst
	return page.On(f.apply(db), column, "id")
}

// Cursor returns the position of an approval in a list of that order.
func (a Approval) Cursor(order api.ApprovalOrder) store.Cursor {
	if order == api.ApprovalsSoonestExpiry {
		return store.Cursor{At: a.ExpiresAt, ID: a.ID}
	}
	return store.Cursor{At: a.CreatedAt, ID: a.ID}
}

// Summarize counts the approvals that the filter chooses and lists the oldest of them, at most limit.
func (s *Service) Summarize(tx *store.Tx, f Filter, limit int) (api.ApprovalSummary, error) {
	summary := api.ApprovalSummary{
		EvaluatedAt: tx.Now, CountByKind: map[api.ApprovalKind]int64{}, CountByProfile: map[string]int64{}, Approvals: []api.Approval{},
	}
	for kind := range s.kinds {
		summary.CountByKind[kind] = 0
	}
	var groups []struct {
		Kind      api.ApprovalKind
		ProfileID *string
		N         int64
	}
	if err := f.apply(tx.DB.Model(&Approval{})).Select("kind, profile_id, count(*) AS n").Group("kind, profile_id").Scan(&groups).Error; err != nil {
		return summary, fmt.Errorf("count approvals: %w", err)
	}
	for _, g := range groups {
		summary.TotalCount += g.N
		summary.CountByKind[g.Kind] += g.N
		if g.ProfileID != nil {
			summary.CountByProfile[*g.ProfileID] += g.N
		}
	}
	rows, err := List(tx, f, api.ApprovalsOldestFirst, store.Page{Limit: limit})
	if err != nil {
		return summary, fmt.Errorf("list approvals: %w", err)
	}
	for _, a := range rows {
		summary.Approvals = append(summary.Approvals, a.API())
	}
	if len(rows) > 0 {
		oldest := rows[0].CreatedAt
		summary.OldestRequestedAt = &oldest
	}
	return summary, nil
}

// CountPending returns, for the metrics, how many approvals wait for each profile, and the time of the oldest request.
func (s *Service) CountPending(tx *store.Tx) (byProfile map[string]int64, oldest *time.Time, err error) {
	summary, err := s.Summarize(tx, Filter{States: []api.ApprovalState{api.ApprovalPending}}, 1)
	return summary.CountByProfile, summary.OldestRequestedAt, err
}

// CountPendingByAge counts the pending approvals by when they were requested, in each of the periods that the ends close and
// after the last. The ends ascend.
func CountPendingByAge(tx *store.Tx, ends []time.Time) ([]int, error) {
	bucket, args := store.Bucket("created_at", ends)
	var counts []store.Count
	err := tx.DB.Raw("SELECT "+bucket+" AS bucket, count(*) AS rows FROM approvals WHERE "+pendingCondition+" GROUP BY 1", args...).Scan(&counts).Error
	if err != nil {
		return nil, fmt.Errorf("count the pending approvals by age: %w", err)
	}
	return store.Fill(counts, len(ends)+1), nil
}

// FindNewest returns the newest approval that the filter chooses.
func FindNewest(tx *store.Tx, f Filter) (Approval, bool, error) {
	a, err := findNewest(f.apply(tx.DB))
	if err != nil || a == nil {
		return Approval{}, false, err
	}
	return *a, true, nil
}

// FindPending returns the id of the pending approval of a kind for each of the profiles that has one.
func FindPending(tx *store.Tx, kind api.ApprovalKind, profileIDs []string) (map[string]string, error) {
	pending := map[string]string{}
	if len(profileIDs) == 0 {
		return pending, nil
	}
	var rows []Approval
	err := Filter{Kind: kind, States: []api.ApprovalState{api.ApprovalPending}}.apply(tx.DB).Select("id, profile_id").Where("profile_id IN ?", profileIDs).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look up pending approvals: %w", err)
	}
	for _, a := range rows {
		pending[*a.ProfileID] = a.ID
	}
	return pending, nil
}

// Deadline is when a pending request expires.
type Deadline struct {
	ID        string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// ListDeadlines lists the deadlines of the pending requests, oldest request first, from after a cursor.
func ListDeadlines(tx *store.Tx, after store.Cursor, limit int) ([]Deadline, error) {
	var rows []Deadline
	err := tx.DB.Raw("SELECT id, created_at, expires_at FROM approvals WHERE "+pendingCondition+" AND expires_at > ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?",
		tx.Now, after.At, after.ID, limit).Scan(&rows).Error
	if err != nil {
		err = fmt.Errorf("list the pending approvals: %w", err)
	}
	return rows, err
}
