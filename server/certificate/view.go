package certificate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// View shows certificates as callers see them, each with its current leaf, newest job and that job's approval. It
// takes three statements however many there are.
func View(tx *store.Tx, rows ...Certificate) ([]api.Certificate, error) {
	if len(rows) == 0 {
		return []api.Certificate{}, nil
	}
	jobs, err := job.Newest(tx, pluck(rows, func(c Certificate) string { return c.UID }))
	if err != nil {
		return nil, err
	}
	leaves, err := currentLeaves(tx, rows)
	if err != nil {
		return nil, err
	}
	states, err := approvalStates(tx, jobs)
	if err != nil {
		return nil, err
	}
	views := make([]api.Certificate, len(rows))
	for i, c := range rows {
		views[i] = view(c, leaves, jobs, states)
	}
	return views, nil
}

func view(c Certificate, leaves map[string]Leaf, jobs map[string]job.Job, states map[string]api.ApprovalState) api.Certificate {
	v := api.Certificate{
		ID: c.ID, CertificateSpec: c.Spec.V, RenewAt: c.RenewAt, Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if c.CurrentSerial != nil {
		leaf := leaves[c.UID].API()
		v.Current = &leaf
	}
	newest, asked := jobs[c.UID]
	if asked {
		v.Job = &api.JobSummary{ID: newest.ID, Status: newest.Status, Type: newest.Type, Cause: newest.Cause, ErrorMessage: newest.ErrorMessage}
		if newest.FinishedAt == nil {
			v.OpenJobID = &newest.ID
		}
		if v.ApprovalID = newest.ApprovalID; newest.ApprovalID != nil {
			state := states[*newest.ApprovalID]
			v.ApprovalState = &state
		}
	}
	v.Status = status(v.Current != nil, newest.Status, v.ApprovalState)
	return v
}

// status is that of the newest request while there is no leaf; with one, a finished request leaves it issued.
func status(issued bool, newest api.JobStatus, decision *api.ApprovalState) api.CertificateStatus {
	switch {
	case newest == api.JobAwaitingApproval:
		return api.CertificateAwaitingApproval
	case newest == api.JobPending, newest == api.JobRunning:
		return api.CertificateIssuing
	case issued:
		return api.CertificateIssued
	case newest == "":
		return api.CertificateUnissued
	case newest == api.JobFailed:
		return api.CertificateFailed
	case decision != nil && *decision == api.ApprovalRejected:
		return api.CertificateRejected
	case decision != nil && *decision == api.ApprovalExpired:
		return api.CertificateExpired
	default:
		return api.CertificateCancelled
	}
}

// currentLeaves finds the current leaf of each certificate, by the certificate's uid.
func currentLeaves(tx *store.Tx, rows []Certificate) (map[string]Leaf, error) {
	serials := map[string]string{}
	for _, c := range rows {
		if c.CurrentSerial != nil {
			serials[c.UID] = *c.CurrentSerial
		}
	}
	leaves := map[string]Leaf{}
	if len(serials) == 0 {
		return leaves, nil
	}
	var found []Leaf
	err := tx.DB.Where("certificate_uid IN ? AND serial_number IN ?", slices.Collect(maps.Keys(serials)), slices.Collect(maps.Values(serials))).Find(&found).Error
	if err != nil {
		return nil, fmt.Errorf("look up leaves: %w", err)
	}
	for _, l := range found {
		if l.SerialNumber == serials[l.CertificateUID] {
			leaves[l.CertificateUID] = l
		}
	}
	for uid, serial := range serials {
		if _, ok := leaves[uid]; !ok {
			return nil, fmt.Errorf("leaf %s is missing", serial)
		}
	}
	return leaves, nil
}

func approvalStates(tx *store.Tx, jobs map[string]job.Job) (map[string]api.ApprovalState, error) {
	var ids []string
	for _, j := range jobs {
		if j.ApprovalID != nil {
			ids = append(ids, *j.ApprovalID)
		}
	}
	return approval.States(tx, ids)
}

func pluck[T, V any](rows []T, field func(T) V) []V {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = field(row)
	}
	return values
}
