package faults_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// double is the issuer of the tests, which remembers what it was asked to sign for which job, and may misbehave.
type double struct {
	gate.Issuer
	misbehave func(ctx context.Context, call signing, real gate.Issuer) (gate.Chain, error)

	mu    sync.Mutex
	asked map[string][]string // the hash of the bytes of each call, by job
}

// signing is one call.
type signing struct {
	gate.Permit
	job    string
	number int // from 1, of this job
}

// newDouble makes an issuer that signs as long as misbehave, if given, lets it.
func newDouble(t testing.TB, misbehave func(context.Context, signing, gate.Issuer) (gate.Chain, error)) *double {
	t.Helper()
	return &double{Issuer: servertest.CA(t), misbehave: misbehave, asked: map[string][]string{}}
}

// Sign implements gate.Issuer.
func (d *double) Sign(ctx context.Context, permit gate.Permit) (gate.Chain, error) {
	tbs, err := permit.TBS()
	if err != nil {
		return gate.Chain{}, err
	}
	sum := sha256.Sum256(tbs)
	d.mu.Lock()
	id := permit.JobID()
	d.asked[id] = append(d.asked[id], hex.EncodeToString(sum[:]))
	call := signing{permit, id, len(d.asked[id])}
	d.mu.Unlock()
	if d.misbehave == nil {
		return d.Issuer.Sign(ctx, permit)
	}
	return d.misbehave(ctx, call, d.Issuer)
}

// calls are the hashes of what the issuer was asked to sign for a job.
func (d *double) calls(job string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked[job])
}

// askedFor fails the test unless the issuer was asked so often for a job, each time for the same bytes.
func (d *double) askedFor(t testing.TB, job string, times int) {
	t.Helper()
	calls := d.calls(job)
	if len(calls) != times {
		t.Errorf("the issuer was asked %d times, want %d", len(calls), times)
	}
	if len(slices.Compact(calls)) > 1 {
		t.Error("the issuer was asked to sign different bytes for one job")
	}
}
