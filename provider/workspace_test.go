package provider_test

import (
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// workspace runs terraform and the provider as separate processes.
type workspace struct{ terraformtest.Workspace }

// newWorkspace has a configuration. It acts as the service terraform, on the server behind the endpoint.
func newWorkspace(t testing.TB, s *servertest.Server, endpoint, configuration string) workspace {
	t.Helper()
	w := workspace{terraformtest.New(t, endpoint, s.Key(t, "terraform"))}
	w.Configure(t, configuration)
	return w
}

// existingObject matches an error about an existing object: its address, and the import block.
var existingObject = regexp.MustCompile(`(?s)\n  with ([^,\n]+),\n.*?\n(  import \{\n.*?\n  \}\n)`)

// importBlocks returns the import blocks in errors by the address of the resource.
func importBlocks(out string) map[string]string {
	blocks := map[string]string{}
	for _, m := range existingObject.FindAllStringSubmatch(terraformtest.RemoveFrames(out), -1) {
		blocks[m[1]] = toAddress.ReplaceAllString(m[2], "to = "+m[1]+"\n")
	}
	return blocks
}

var toAddress = regexp.MustCompile(`to = .*\n`)

func joinBlocks(blocks map[string]string) string {
	var all strings.Builder
	for block := range maps.Values(blocks) {
		all.WriteString(block)
	}
	return all.String()
}

// proxy is between a provider and a server. It counts the requests, and can delay or drop answers.
type proxy struct {
	URL string

	server *httptest.Server

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
	p.server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      &http.Transport{MaxIdleConnsPerHost: 100},
		ModifyResponse: func(resp *http.Response) error { return p.answer(resp.Request) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(func() {
		p.stop()
		p.server.Close()
	})
	p.URL = p.server.URL
	return p
}

// stop breaks all connections and accepts no others, like a server that restarts.
func (p *proxy) stop() {
	_ = p.server.Listener.Close()
	p.server.CloseClientConnections()
}

// restart accepts connections again, at the same address.
func (p *proxy) restart(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", p.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	next := httptest.NewUnstartedServer(p.server.Config.Handler)
	_ = next.Listener.Close()
	next.Listener = listener
	next.Start()
	p.server = next
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

// setAnswers sets the function that is called before each later answer.
func (p *proxy) setAnswers(answers func(r *http.Request, nth int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = answers
}

// onAnswer calls f before each answer to requests of a kind.
func (p *proxy) onAnswer(key string, f func()) {
	p.setAnswers(func(r *http.Request, _ int) error {
		if r.Method+" "+r.URL.RequestURI() == key {
			f()
		}
		return nil
	})
}

// count returns the number of requests of a kind that the server answered.
func (p *proxy) count(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[key]
}

// total returns the number of all requests that the server answered.
func (p *proxy) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.done {
		n += k
	}
	return n
}

// heldAnswers are answers that the proxy delays.
type heldAnswers struct {
	held chan struct{} // one for each answer
	open chan struct{} // if closed, all answers go on
}

// hold delays the answers to requests of a kind, after the first few.
func (p *proxy) hold(key string, after int) heldAnswers {
	d := heldAnswers{make(chan struct{}, 1000), make(chan struct{})}
	p.setAnswers(func(r *http.Request, nth int) error {
		if r.Method+" "+r.URL.RequestURI() != key || nth <= after {
			return nil
		}
		d.held <- struct{}{}
		select {
		case <-d.open:
			return nil
		case <-r.Context().Done(): // the client closed the connection
			return r.Context().Err()
		}
	})
	return d
}

// wait returns when n answers are delayed.
func (d heldAnswers) wait(t testing.TB, n int) {
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
