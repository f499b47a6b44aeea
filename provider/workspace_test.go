package provider_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/provider/terraformtest"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// workspace is where terraform and the provider work as processes of their own.
type workspace struct{ terraformtest.Workspace }

// newWorkspace works on this configuration as the service terraform, on the server behind the endpoint.
func newWorkspace(t testing.TB, s *servertest.Server, endpoint, configuration string) workspace {
	t.Helper()
	w := workspace{terraformtest.New(t, endpoint, s.Key(t, "terraform"))}
	w.Configure(t, configuration)
	return w
}

// An error about what exists already: whose, and what to paste.
var existing = regexp.MustCompile(`(?s)\n  with ([^,\n]+),\n.*?\n(  import \{\n.*?\n  \}\n)`)

// imports gives the import blocks in the errors by the address of the resource.
func imports(out string) map[string]string {
	blocks := map[string]string{}
	for _, m := range existing.FindAllStringSubmatch(terraformtest.Unframed(out), -1) {
		blocks[m[1]] = toAddress.ReplaceAllString(m[2], "to = "+m[1]+"\n")
	}
	return blocks
}

var toAddress = regexp.MustCompile(`to = .*\n`)

func joined(blocks map[string]string) string {
	var all strings.Builder
	for block := range maps.Values(blocks) {
		all.WriteString(block)
	}
	return all.String()
}

// proxy stands between a provider and a server. It counts what the server did, and may keep the answer.
type proxy struct {
	URL string

	mu      sync.Mutex
	done    map[string]int                       // by method and address
	answers func(r *http.Request, nth int) error // before the answer goes on; an error breaks the connection
}

func newProxy(t testing.TB, s *servertest.Server) *proxy {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{done: map[string]int{}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      &http.Transport{MaxIdleConnsPerHost: 100},
		ModifyResponse: func(resp *http.Response) error { return p.answer(resp.Request) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.URL = server.URL
	return p
}

func (p *proxy) answer(r *http.Request) error {
	p.mu.Lock()
	key := r.Method + " " + r.URL.RequestURI()
	p.done[key]++
	nth, answers := p.done[key], p.answers
	p.mu.Unlock()
	if answers == nil {
		return nil
	}
	return answers(r, nth)
}

// then sets what happens to answers from now on.
func (p *proxy) then(answers func(r *http.Request, nth int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = answers
}

// onAnswer calls f before each answer to this kind of request goes on.
func (p *proxy) onAnswer(key string, f func()) {
	p.then(func(r *http.Request, _ int) error {
		if r.Method+" "+r.URL.RequestURI() == key {
			f()
		}
		return nil
	})
}

// count gives how many requests of this kind the server has done.
func (p *proxy) count(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[key]
}

// total gives how many requests the server has done, of all kinds.
func (p *proxy) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.done {
		n += k
	}
	return n
}

// dam keeps answers back.
type dam struct {
	held chan struct{} // one for each answer
	open chan struct{} // closed, it lets all go on
}

// hold keeps back the answers to this kind of request, after the first few.
func (p *proxy) hold(key string, after int) dam {
	d := dam{make(chan struct{}, 1000), make(chan struct{})}
	p.then(func(r *http.Request, nth int) error {
		if r.Method+" "+r.URL.RequestURI() != key || nth <= after {
			return nil
		}
		d.held <- struct{}{}
		select {
		case <-d.open:
			return nil
		case <-r.Context().Done(): // whoever asked has gone
			return r.Context().Err()
		}
	})
	return d
}

// wait returns when so many answers are kept back.
func (d dam) wait(t testing.TB, n int) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for range n {
		select {
		case <-d.held:
		case <-late:
			t.Fatalf("not %d answers to hold", n)
		}
	}
}
