package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// losingTransport loses the answers of the first requests: the first in the middle, the others completely. The requests
// have had their effect by then.
type losingTransport struct{ answers, sent int }

func (l *losingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	l.sent++
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || l.sent > l.answers {
		return resp, err
	}
	if l.sent > 1 {
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	half := io.MultiReader(io.LimitReader(resp.Body, resp.ContentLength/2), iotest.ErrReader(io.ErrUnexpectedEOF))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{half, resp.Body}
	return resp, nil
}

// A POST without an answer is sent again. It has one effect, and the retry gets the first answer.
func TestPost_HasItsEffectOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	network := &losingTransport{answers: 2}
	c, err := client.New(s.URL, s.Key(t, "olga"), client.WithHTTPClient(&http.Client{Transport: network}))
	if err != nil {
		t.Fatal(err)
	}
	certificate := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
	job, err := c.RenewCertificate(t.Context(), certificate.ID, api.Renew{}) // a second effect would be job_already_open
	if err != nil || job.ApprovalID == nil {
		t.Fatalf("got %+v, %v", job, err)
	}
	if network.sent != 3 {
		t.Errorf("sent %d times, want 3", network.sent)
	}
	jobs, err := client.Collect(c.ListJobs(t.Context(), client.ListJobsOptions{CertificateID: certificate.ID}))
	if err != nil || len(jobs) != 1 || jobs[0].ID != job.ID {
		t.Errorf("the jobs are %+v, %v", jobs, err)
	}
	approvals, err := client.Collect(c.ListApprovals(t.Context(), client.ListApprovalsOptions{}))
	if err != nil || len(approvals) != 1 || approvals[0].ID != *job.ApprovalID {
		t.Errorf("the approvals are %+v, %v", approvals, err)
	}
}

// A limit on requests with a refused key is final. Another limit is retried, also after the server has accepted the key again.
func TestRetry_NotWhileTheKeyIsRefused(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, "ctl_a_b", client.WithRetries(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ status, sent int64 }{
		{http.StatusTooManyRequests, 2},
		{http.StatusUnauthorized, 1},
		{http.StatusTooManyRequests, 1},
		{http.StatusTooManyRequests, 1},
		{http.StatusForbidden, 1},
		{http.StatusTooManyRequests, 2},
	} {
		sent.Store(0)
		status.Store(step.status)
		if _, err := c.GetMe(t.Context()); err == nil {
			t.Error("no error")
		}
		if got := sent.Load(); got != step.sent {
			t.Errorf("%d: sent %d times, want %d", step.status, got, step.sent)
		}
	}
}
