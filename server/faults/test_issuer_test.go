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

// testIssuer records which bytes it is asked to sign for each job. It may misbehave.
type testIssuer struct {
	gate.Issuer
	misbehave func(ctx context.Context, call signCall, real gate.Issuer) (gate.Chain, error)

	mu     sync.Mutex
	hashes map[string][]string // the hash of the bytes of each call, by job
}

// signCall is one call of Sign.
type signCall struct {
	gate.Permit
	job    string
	number int // from 1, of this job
}

// newTestIssuer makes an issuer. If misbehave is not nil, misbehave signs instead of the issuer.
func newTestIssuer(t testing.TB, misbehave func(context.Context, signCall, gate.Issuer) (gate.Chain, error)) *testIssuer {
	t.Helper()
	return &testIssuer{Issuer: servertest.CA(t), misbehave: misbehave, hashes: map[string][]string{}}
}

// Sign implements gate.Issuer.
func (d *testIssuer) Sign(ctx context.Context, permit gate.Permit) (gate.Chain, error) {
	tbs, err := permit.TBS()
	if err != nil {
		return gate.Chain{}, err
	}
	sum := sha256.Sum256(tbs)
	d.mu.Lock()
	id := permit.JobID()
	d.hashes[id] = append(d.hashes[id], hex.EncodeToString(sum[:]))
	call := signCall{permit, id, len(d.hashes[id])}
	d.mu.Unlock()
	if d.misbehave == nil {
		return d.Issuer.Sign(ctx, permit)
	}
	return d.misbehave(ctx, call, d.Issuer)
}

// listCalls returns a hash of the bytes of each call for a job.
func (d *testIssuer) listCalls(job string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.hashes[job])
}

// checkCalls fails the test unless the issuer was called so often for a job, each time with the same bytes.
func (d *testIssuer) checkCalls(t testing.TB, job string, times int) {
	t.Helper()
	calls := d.listCalls(job)
	if len(calls) != times {
		t.Errorf("the issuer was asked %d times, want %d", len(calls), times)
	}
	if len(slices.Compact(calls)) > 1 {
		t.Error("the issuer was asked to sign different bytes for one job")
	}
}
