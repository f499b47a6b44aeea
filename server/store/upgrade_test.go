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

// A filled database of every version is upgraded to the newest. The invariants hold, the server shows everything that it
// showed before, and what waits can be decided.
func TestUpgrade_KeepsWhatTheServerShows(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			if *update {
				writeTestdata(t, dialect)
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

// snapshot is what a server showed of its database.
type snapshot struct {
	At    time.Time // the time of the server's clock
	Shown map[string]map[string]any
}

func upgrade(t *testing.T, dialect, folder string) {
	var before snapshot
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
	after := readAll(t, s)
	for kind, objects := range before.Shown {
		for id, object := range objects {
			if fault := findLosses(object, after[kind][id]); fault != "" {
				t.Errorf("%s %s: %s", kind, id, fault)
			}
		}
	}
	checkTrail(t, s, before)
	checkEdits(t, s)
	checkContinues(t, s)
}

// checkEdits sends the edits of fillDatabase again. The server knows the one that waits and the one that was rejected.
func checkEdits(t *testing.T, s *servertest.Server) {
	known := 0
	for _, a := range collect(t, s.Client(t, "olga").ListApprovals(t.Context(), client.ListApprovalsOptions{
		ApprovalFilter: client.ApprovalFilter{Kind: api.ApprovalProfileEdit, States: []api.ApprovalState{api.ApprovalPending, api.ApprovalRejected}},
	})) {
		p, err := s.Client(t, "olga").GetProfile(t.Context(), *a.ProfileID)
		if err != nil {
			t.Fatal(err)
		}
		p.MaxTTLSeconds = shorterTTL
		_, err = s.Client(t, "olga").ReplaceProfile(t.Context(), p.ID, p.ProfileSpec)
		var waiting *client.AwaitingApprovalError
		var refusal *api.Problem
		switch {
		case a.State == api.ApprovalPending && errors.As(err, &waiting) && waiting.Approval.ID == a.ID:
			known++
		case a.State == api.ApprovalRejected && errors.As(err, &refusal) && refusal.Code() == api.CodeEditRejected && refusal.ApprovalID == a.ID:
			known++
		default:
			t.Errorf("the edit of %s approval %s: %v", a.State, a.ID, err)
		}
	}
	if known < 2 {
		t.Errorf("%d edits were sent again", known)
	}
}

// checkTrail follows the trail: the events from before the upgrade come first, by time and id. No event can be changed.
func checkTrail(t *testing.T, s *servertest.Server, before snapshot) {
	t.Helper()
	var byTime, followed []string
	s.Query(t, &byTime, "SELECT id FROM audit_events ORDER BY occurred_at, id")
	byTime = slices.DeleteFunc(byTime, func(id string) bool { return before.Shown["audit event"][id] == nil })
	s.Write(t, func(tx *store.Tx) error {
		return principal.Create(tx, "walter", api.KindHuman, "", []api.Role{api.RoleViewer})
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for page, err := range s.Client(t, "audrey").FollowAuditEvents(ctx, client.FollowAuditEventsOptions{Pause: time.Millisecond}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			followed = append(followed, e.ID)
			if e.ResourceID == "walter" {
				stop()
			}
		}
	}
	if n := len(byTime); n < 50 || n != len(before.Shown["audit event"]) || !slices.Equal(byTime, followed[:min(n, len(followed))]) {
		t.Errorf("%d events are followed in another order than that of their times", n)
	}
	for _, change := range []string{"UPDATE audit_events SET actor = actor", "DELETE FROM audit_events"} {
		err := s.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.DB.Exec(change).Error })
		if err == nil || !strings.Contains(err.Error(), "is refused") {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// findLosses lists what of a JSON value another value lacks. Additional fields are no loss.
func findLosses(before, after any) string {
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
		if fault := findLosses(was[name], value); fault != "" {
			return name + ": " + fault
		}
	}
	return ""
}

// checkContinues decides what waits, and waits until every open job has ended.
func checkContinues(t *testing.T, s *servertest.Server) {
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
			s.Clock.Advance(2 * job.Lease) // the lease of the lost worker expires
			s.Restart(t)
		}
		if j = s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCompleted {
			t.Errorf("job %s is %s: %s", j.ID, j.Status, j.ErrorMessage)
		}
	}
	if open < 3 { // one awaited its approval, one was due, one was running
		t.Errorf("%d jobs were open", open)
	}
}

// readAll returns everything that the API shows of a database.
func readAll(t *testing.T, s *servertest.Server) map[string]map[string]any {
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
		// The status and other values that depend on the time may follow new rules.
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

// issuer is a CA with the same key in every run. It fails on demand.
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

// writeTestdata fills a database and stores it in testdata, with what the server shows.
func writeTestdata(t *testing.T, dialect string) {
	t.Helper()
	begin := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	opts := []servertest.Option{servertest.StartTime(begin), servertest.Issuer(newIssuer(t, 1)), servertest.Bypass(), servertest.NoWorkers()}
	s := servertest.New
	if dialect == "postgres" {
		s = servertest.NewPostgres
	}
	server := s(t, opts...)
	fillDatabase(t, server)
	var version int
	server.Query(t, &version, "SELECT max(version_id) FROM goose_db_version")
	folder := fmt.Sprintf("testdata/v%d", version)
	text, err := json.Marshal(snapshot{server.Clock.Now(), readAll(t, server)})
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

// filler makes the requests of a database.
type filler struct {
	*testing.T
	s *servertest.Server
}

// renew requests a certificate that exists.
func (f filler) renew(by, id string, r api.Renew) api.Job {
	f.Helper()
	j, err := f.s.Client(f.T, by).RenewCertificate(f.Context(), id, r, client.IdempotencyKey("renew "+id))
	if err != nil {
		f.Fatal(err)
	}
	return j
}

const shorterTTL = 86_400

// edit requests a shorter lifetime under a gated profile.
func (f filler) edit(by string, p api.Profile) api.Approval {
	f.Helper()
	spec := p.ProfileSpec
	spec.MaxTTLSeconds = shorterTTL
	_, err := f.s.Client(f.T, by).ReplaceProfile(f.Context(), p.ID, spec, client.EditOptions{Reason: "Shorter is safer."})
	var waiting *client.AwaitingApprovalError
	if !errors.As(err, &waiting) {
		f.Fatalf("the edit does not wait: %v", err)
	}
	return waiting.Approval
}

// decide decides a request.
func (f filler) decide(decide func(context.Context, string, api.Decision) (api.Approval, error), id, note string) {
	f.Helper()
	if _, err := decide(f.Context(), id, api.Decision{Note: note}); err != nil {
		f.Fatal(err)
	}
}

func (f filler) noError(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// fillDatabase makes people, keys, profiles, certificates and leaves, and two generations of an issuer. Requests of both
// kinds have every state, and jobs have every status and cause.
func fillDatabase(t *testing.T, s *servertest.Server) {
	t.Helper()
	ctx, f := t.Context(), filler{t, s}
	clientOf := func(who string) *client.Client { return s.Client(t, who) }
	s.SetUngatedNames(t, api.UngatedLists{AllowedDNSNames: []string{"**.example.com"}, AllowedEKUs: []string{"serverAuth"}})

	// The bypass signs once; what it approved last is not signed without it.
	gated, plain := s.CreateProfileAsOlga(t, true), s.CreateProfileAsOlga(t, false)
	f.renew("olga", s.CreateCertificateAsOlga(t, gated.ID).ID, api.Renew{})
	s.Drain(t)
	f.renew("olga", s.CreateCertificateAsOlga(t, gated.ID).ID, api.Renew{})
	s.EndBypass()
	s.Drain(t)

	// The CA is replaced.
	authority := newIssuer(t, 2)
	s.ReplaceIssuer(t, authority)
	s.Drain(t)

	// Signed without approval, and with one; again with a key of the renewal's own, and by the scheduler.
	ungated := s.CreateCertificateAsOlga(t, plain.ID)
	f.renew("olga", ungated.ID, api.Renew{})
	first := s.RequestOlgasCertificate(t, "alice")
	f.decide(clientOf("bob").ApproveApproval, *first.ApprovalID, "approved per ticket SECOPS-12345")
	s.Drain(t)
	again := f.renew("terraform", first.CertificateID, api.Renew{CSRPEM: servertest.CSR(t), Reason: "A new key.", AlsoExcluded: []string{"carol"}})
	f.decide(clientOf("bob").ApproveApproval, *again.ApprovalID, "")
	s.Drain(t)

	// The issuer fails until the job does.
	failed := f.renew("olga", s.CreateCertificateAsOlga(t, plain.ID).ID, api.Renew{})
	authority.fails.Store(true)
	working, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { s.App.Work(working) })
	servertest.WaitUntil(t, func() error {
		s.Clock.Advance(10 * time.Minute)
		j, err := clientOf("vera").GetJob(ctx, failed.ID)
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
	f.edit("olga", s.CreateProfileAsOlga(t, true))
	s.Clock.Advance(8 * 24 * time.Hour)
	f.noError(s.App.Expire(ctx))

	// Rejected and asked again, withdrawn, overtaken, archived; a person who left.
	rejected := s.RequestOlgasCertificate(t, "alice")
	f.decide(clientOf("bob").RejectApproval, *rejected.ApprovalID, "Which ticket?")
	withdrawn := s.RequestOlgasCertificate(t, "alice")
	_, err := clientOf("alice").WithdrawApproval(ctx, *withdrawn.ApprovalID, api.Withdrawal{Note: "Not needed."})
	f.noError(err)
	overtaken := s.RequestOlgasCertificate(t, "alice")
	changed, err := clientOf("olga").GetCertificate(ctx, overtaken.CertificateID)
	f.noError(err)
	changed.SANs = append(changed.SANs, "more.example.com")
	_, err = clientOf("olga").ReplaceCertificate(ctx, changed.ID, changed.CertificateSpec)
	f.noError(err)
	f.noError(clientOf("olga").DeleteCertificate(ctx, s.RequestOlgasCertificate(t, "alice").CertificateID))
	f.noError(clientOf("olga").DeleteCertificate(ctx, ungated.ID))
	s.Write(t, func(tx *store.Tx) error {
		return principal.Create(tx, "dave", api.KindHuman, "", []api.Role{api.RoleOperator})
	})
	s.RequestOlgasCertificate(t, "dave")
	s.Disable(t, "dave")
	s.HandOver(t, "dave", "olga")

	// Edits in every state.
	approved := s.CreateProfileAsOlga(t, true)
	f.decide(clientOf("carol").ApproveApproval, f.edit("olga", approved).ID, "")
	f.decide(clientOf("carol").RejectApproval, f.edit("olga", s.CreateProfileAsOlga(t, true)).ID, "Too short.")
	_, err = clientOf("olga").WithdrawApproval(ctx, f.edit("olga", s.CreateProfileAsOlga(t, true)).ID, api.Withdrawal{})
	f.noError(err)
	f.edit("olga", s.CreateProfileAsOlga(t, true))

	// Open jobs and requests: a job of a lost worker, a due job, and a request that was rejected before.
	f.renew("olga", s.CreateCertificateAsOlga(t, plain.ID).ID, api.Renew{})
	queue := job.NewQueue(s.Store, job.NewMetrics(prometheus.NewRegistry()), time.Hour)
	if _, found, err := queue.Claim(ctx); err != nil || !found {
		t.Fatalf("claim: %v, %v", found, err)
	}
	s.Clock.Advance(time.Second)
	f.renew("olga", s.CreateCertificateAsOlga(t, plain.ID).ID, api.Renew{})
	_, err = clientOf("alice").RenewCertificate(ctx, rejected.CertificateID, api.Renew{Reason: "SECOPS-12346"})
	f.noError(err)

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

// restore runs a dump without its psql commands.
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
