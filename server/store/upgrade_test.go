package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// The databases in testdata were filled by a server whose schema ended with the version in the folder's name. A version
// that was released is never filled again. After a migration, make the folder of its version as well:
//
//	make fixtures-upgrade
var update = flag.Bool("update", false, "fill databases of the newest version anew, instead of upgrading those in testdata")

// A filled database of every version becomes one of the newest: the invariants hold, the server shows all that it
// showed before, and goes on with what waits.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			if *update {
				fillAnew(t, dialect)
				return
			}
			folders, err := filepath.Glob("testdata/v*")
			if err != nil || len(folders) == 0 {
				t.Fatalf("there is no filled database: %v", err)
			}
			for _, folder := range folders {
				t.Run(filepath.Base(folder), func(t *testing.T) {
					t.Parallel()
					upgrade(t, dialect, folder)
				})
			}
		})
	}
}

// kept is what a server showed of its database.
type kept struct {
	At    time.Time // the time of its clock
	Shown map[string]map[string]any
}

func upgrade(t *testing.T, dialect, folder string) {
	var before kept
	if err := json.Unmarshal(unpack(t, folder, dialect+".json"), &before); err != nil {
		t.Fatal(err)
	}
	opts := []servertest.Option{servertest.StartTime(before.At), servertest.Issuer(newIssuer(t, 2)), servertest.WithPeople(), servertest.NoWorkers()}
	var s *servertest.Server
	if dialect == "sqlite" {
		path := filepath.Join(t.TempDir(), "certctl.db")
		if err := os.WriteFile(path, unpack(t, folder, "sqlite.db"), 0o600); err != nil {
			t.Fatal(err)
		}
		s = servertest.NewOnFile(t, path, opts...)
	} else {
		database := servertest.CreateEmptyDatabase(t)
		restore(t, database, string(unpack(t, folder, "postgres.sql")))
		s = servertest.NewOnPostgres(t, database, opts...)
	}
	servertest.CheckInvariants(t, s.Store)
	after := show(t, s)
	for kind, objects := range before.Shown {
		for id, object := range objects {
			if fault := lost(object, after[kind][id]); fault != "" {
				t.Errorf("%s %s: %s", kind, id, fault)
			}
		}
	}
	goesOn(t, s)
}

// lost says what of a JSON value another one lacks. More fields are no loss.
func lost(before, after any) string {
	was, ok := before.(map[string]any)
	if !ok {
		if !reflect.DeepEqual(before, after) {
			return fmt.Sprintf("was %v, is %v", before, after)
		}
		return ""
	}
	is, _ := after.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		value, there := is[name]
		if !there {
			return name + " is gone"
		}
		if fault := lost(was[name], value); fault != "" {
			return name + ": " + fault
		}
	}
	return ""
}

// goesOn decides what waits, and sees that the jobs that were open come to their end.
func goesOn(t *testing.T, s *servertest.Server) {
	bob := s.Client(t, "bob")
	waiting := collect(t, bob.ListApprovals(t.Context(), client.ListApprovalsOptions{
		ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}},
	}))
	if len(waiting) < 2 {
		t.Errorf("%d requests wait", len(waiting))
	}
	for _, a := range waiting {
		if _, err := bob.ApproveApproval(t.Context(), a.ID, api.Decision{Digest: a.Digest}); err != nil {
			t.Errorf("approve %s %s: %v", a.Kind, a.ID, err)
		}
	}
	open := 0
	for _, j := range collect(t, bob.ListJobs(t.Context(), client.ListJobsOptions{})) {
		if j.FinishedAt != nil {
			continue
		}
		if open++; open == 1 {
			s.Clock.Advance(2 * job.Lease) // a worker that ran one is gone
			s.Restart(t)
		}
		if j = s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCompleted {
			t.Errorf("job %s is %s: %s", j.ID, j.Status, j.ErrorMessage)
		}
	}
	if open < 3 { // one awaited its approval, one was due, one ran
		t.Errorf("%d jobs were open", open)
	}
}

// show lists all that the API shows of a database.
func show(t *testing.T, s *servertest.Server) map[string]map[string]any {
	t.Helper()
	ctx, c := t.Context(), s.Client(t, "alice")
	shown := map[string]map[string]any{}
	for _, a := range collect(t, c.ListApprovals(ctx, client.ListApprovalsOptions{})) {
		add(t, shown, "approval", a.ID, a)
	}
	for _, j := range collect(t, c.ListJobs(ctx, client.ListJobsOptions{})) {
		add(t, shown, "job", j.ID, j)
	}
	for _, p := range collect(t, c.ListProfiles(ctx, client.ListProfilesOptions{})) {
		add(t, shown, "profile", p.ID, p)
	}
	for _, cert := range collect(t, c.ListCertificates(ctx, client.ListCertificatesOptions{})) {
		// The status and what else follows from time may come by other rules.
		add(t, shown, "certificate", cert.ID, map[string]any{
			"id": cert.ID, "version": cert.Version, "spec": cert.CertificateSpec, "current": cert.Current, "job": cert.Job, "approval_id": cert.ApprovalID,
		})
		for _, leaf := range collect(t, c.ListCertificateVersions(ctx, cert.ID, client.Page{})) {
			add(t, shown, "leaf", leaf.SerialNumber, leaf)
		}
	}
	for _, e := range collect(t, s.Client(t, "audrey").ListAuditEvents(ctx, client.ListAuditEventsOptions{})) {
		add(t, shown, "audit event", e.ID, e)
	}
	return shown
}

func add(t *testing.T, shown map[string]map[string]any, kind, id string, object any) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	if shown[kind] == nil {
		shown[kind] = map[string]any{}
	}
	shown[kind][id] = value
}

func collect[T any](t *testing.T, list iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for item, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, item)
	}
	return all
}

// issuer is a CA that is the same in every run, and fails on demand.
type issuer struct {
	gate.Issuer
	fails atomic.Bool
}

// Sign implements gate.Issuer.
func (i *issuer) Sign(ctx context.Context, permit gate.Permit) (gate.Chain, error) {
	if i.fails.Load() {
		return gate.Chain{}, errors.New("out of order")
	}
	return i.Issuer.Sign(ctx, permit)
}

func newIssuer(t *testing.T, number byte) *issuer {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{number}, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(number)), Subject: pkix.Name{CommonName: fmt.Sprintf("upgraded CA %d", number)},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ca.New(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{Issuer: authority}
}

// fillAnew has a server tell a story, and keeps its database.
func fillAnew(t *testing.T, dialect string) {
	t.Helper()
	begin := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	opts := []servertest.Option{servertest.StartTime(begin), servertest.Issuer(newIssuer(t, 1)), servertest.Bypass(), servertest.NoWorkers()}
	s := servertest.New
	if dialect == "postgres" {
		s = servertest.NewPostgres
	}
	server := s(t, opts...)
	tell(t, server)
	var version int
	server.Query(t, &version, "SELECT max(version_id) FROM goose_db_version")
	folder := fmt.Sprintf("testdata/v%d", version)
	text, err := json.Marshal(kept{server.Clock.Now(), show(t, server)})
	if err != nil {
		t.Fatal(err)
	}
	pack(t, folder, dialect+".json", text)
	server.Stop()
	if dialect == "sqlite" {
		content, err := os.ReadFile(server.Database().Path)
		if err != nil {
			t.Fatal(err)
		}
		pack(t, folder, "sqlite.db", content)
	} else {
		dump := exec.CommandContext(t.Context(), "pg_dump", "--no-owner", "--no-privileges", "--rows-per-insert=100", server.Database().URL)
		content, err := dump.Output()
		if err != nil {
			t.Fatalf("pg_dump: %v", err)
		}
		pack(t, folder, "postgres.sql", content)
	}
	server.Restart(t)
}

// teller makes what a story needs.
type teller struct {
	*testing.T
	s *servertest.Server
}

// renew asks for a certificate that exists.
func (tell teller) renew(by, id string, r api.Renew) api.Job {
	tell.Helper()
	j, err := tell.s.Client(tell.T, by).RenewCertificate(tell.Context(), id, r, client.IdempotencyKey("renew "+id))
	if err != nil {
		tell.Fatal(err)
	}
	return j
}

// edit asks for a shorter lifetime under a gated profile.
func (tell teller) edit(by string, p api.Profile) api.Approval {
	tell.Helper()
	spec := p.ProfileSpec
	spec.MaxTTLSeconds = 86_400
	_, err := tell.s.Client(tell.T, by).ReplaceProfile(tell.Context(), p.ID, spec, client.EditOptions{Reason: "Shorter is safer."})
	var waits *client.AwaitingApprovalError
	if !errors.As(err, &waits) {
		tell.Fatalf("the edit does not wait: %v", err)
	}
	return waits.Approval
}

// decide ends a request.
func (tell teller) decide(decide func(context.Context, string, api.Decision) (api.Approval, error), id, note string) {
	tell.Helper()
	if _, err := decide(tell.Context(), id, api.Decision{Note: note}); err != nil {
		tell.Fatal(err)
	}
}

func (tell teller) must(err error) {
	tell.Helper()
	if err != nil {
		tell.Fatal(err)
	}
}

// tell fills a database: people and keys, profiles, certificates and leaves, requests of both kinds in every state, jobs
// in every status with every cause, two generations of an issuer.
func tell(t *testing.T, s *servertest.Server) {
	t.Helper()
	ctx, say := t.Context(), teller{t, s}
	by := func(who string) *client.Client { return s.Client(t, who) }
	s.SetUngatedNames(t, api.UngatedLists{AllowedDNSNames: []string{"**.example.com"}, AllowedEKUs: []string{"serverAuth"}})

	// The bypass signs once; what it approved last is not signed without it.
	gated, plain := s.CreateProfileAsOlga(t, true), s.CreateProfileAsOlga(t, false)
	say.renew("olga", s.CreateCertificateAsOlga(t, gated.ID).ID, api.Renew{})
	s.Drain(t)
	say.renew("olga", s.CreateCertificateAsOlga(t, gated.ID).ID, api.Renew{})
	s.EndBypass()
	s.Drain(t)

	// The CA is replaced.
	authority := newIssuer(t, 2)
	s.ReplaceIssuer(t, authority)
	s.Drain(t)

	// Signed without approval, and with one; again with a key of the renewal's own, and by the scheduler.
	ungated := s.CreateCertificateAsOlga(t, plain.ID)
	say.renew("olga", ungated.ID, api.Renew{})
	first := s.RequestOlgasCertificate(t, "alice")
	say.decide(by("bob").ApproveApproval, *first.ApprovalID, "approved per ticket SECOPS-12345")
	s.Drain(t)
	again := say.renew("terraform", first.CertificateID, api.Renew{CSRPEM: servertest.CSR(t), Reason: "A new key.", AlsoExcluded: []string{"carol"}})
	say.decide(by("bob").ApproveApproval, *again.ApprovalID, "")
	s.Drain(t)

	// The issuer fails until the job does.
	failed := say.renew("olga", s.CreateCertificateAsOlga(t, plain.ID).ID, api.Renew{})
	authority.fails.Store(true)
	working, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { s.App.Work(working) })
	servertest.WaitUntil(t, func() error {
		s.Clock.Advance(10 * time.Minute)
		j, err := by("vera").GetJob(ctx, failed.ID)
		if err == nil && j.Status != api.JobFailed {
			err = fmt.Errorf("the job is %s", j.Status)
		}
		return err
	})
	stop()
	work.Wait()
	authority.fails.Store(false)

	// Requests that expired.
	s.RequestOlgasCertificate(t, "olga")
	say.edit("olga", s.CreateProfileAsOlga(t, true))
	s.Clock.Advance(8 * 24 * time.Hour)
	say.must(s.App.Expire(ctx))

	// Rejected and asked again, withdrawn, overtaken, archived; a person who left.
	rejected := s.RequestOlgasCertificate(t, "alice")
	say.decide(by("bob").RejectApproval, *rejected.ApprovalID, "Which ticket?")
	withdrawn := s.RequestOlgasCertificate(t, "alice")
	_, err := by("alice").WithdrawApproval(ctx, *withdrawn.ApprovalID, api.Withdrawal{Note: "Not needed."})
	say.must(err)
	overtaken := s.RequestOlgasCertificate(t, "alice")
	changed, err := by("olga").GetCertificate(ctx, overtaken.CertificateID)
	say.must(err)
	changed.SANs = append(changed.SANs, "more.example.com")
	_, err = by("olga").ReplaceCertificate(ctx, changed.ID, changed.CertificateSpec)
	say.must(err)
	say.must(by("olga").DeleteCertificate(ctx, s.RequestOlgasCertificate(t, "alice").CertificateID))
	say.must(by("olga").DeleteCertificate(ctx, ungated.ID))
	s.Write(t, func(tx *store.Tx) error {
		return principal.Create(tx, "dave", api.KindHuman, "", []api.Role{api.RoleOperator})
	})
	s.RequestOlgasCertificate(t, "dave")
	s.Disable(t, "dave")
	s.HandOver(t, "dave", "olga")

	// Edits in every state.
	approved := s.CreateProfileAsOlga(t, true)
	say.decide(by("carol").ApproveApproval, say.edit("olga", approved).ID, "")
	say.decide(by("carol").RejectApproval, say.edit("olga", s.CreateProfileAsOlga(t, true)).ID, "Too short.")
	_, err = by("olga").WithdrawApproval(ctx, say.edit("olga", s.CreateProfileAsOlga(t, true)).ID, api.Withdrawal{})
	say.must(err)
	say.edit("olga", s.CreateProfileAsOlga(t, true))

	// Open jobs and requests: a job of a lost worker, a due job, and a request that was rejected before.
	say.renew("olga", s.CreateCertificateAsOlga(t, plain.ID).ID, api.Renew{})
	queue := job.NewQueue(s.Store, job.NewMetrics(prometheus.NewRegistry()))
	if _, found, err := queue.Claim(ctx); err != nil || !found {
		t.Fatalf("claim: %v, %v", found, err)
	}
	s.Clock.Advance(time.Second)
	say.renew("olga", s.CreateCertificateAsOlga(t, plain.ID).ID, api.Renew{})
	_, err = by("alice").RenewCertificate(ctx, rejected.CertificateID, api.Renew{Reason: "SECOPS-12346"})
	say.must(err)

	for _, need := range []struct{ query, want string }{
		{"SELECT DISTINCT state FROM approvals WHERE kind = 'issuance' ORDER BY state", "approved cancelled expired pending rejected"},
		{"SELECT DISTINCT state FROM approvals WHERE kind = 'profile_edit' ORDER BY state", "approved cancelled expired pending rejected"},
		{"SELECT status FROM jobs GROUP BY status ORDER BY lower(status)", "AwaitingApproval Cancelled Completed Failed Pending Running"},
	} {
		var found []string
		s.Query(t, &found, need.query)
		if got := strings.Join(found, " "); got != need.want {
			t.Fatalf("%s: %s, want %s", need.query, got, need.want)
		}
	}
}

// restore runs a dump but for the commands of psql in it.
func restore(t *testing.T, database, dump string) {
	t.Helper()
	var statements strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, `\`) {
			statements.WriteString(line)
		}
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), statements.String(), pgx.QueryExecModeSimpleProtocol)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatalf("restore: %v", err)
	}
}

func pack(t *testing.T, folder, name string, content []byte) {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(content)
	err = errors.Join(err, w.Close(), os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, name+".gz"), packed.Bytes(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, folder, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(folder, name+".gz"))
	if err != nil {
		t.Fatalf("%v: make it with make fixtures-upgrade", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
