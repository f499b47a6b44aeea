package servertest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a server and its PostgreSQL. A test makes it hang or refuse connections.
type Proxy struct {
	URL string // of the database, through the proxy

	target string
	mu     sync.Mutex
	mode   proxyMode
	conns  map[net.Conn]struct{}
	held   chan struct{} // is closed when the proxy no longer hangs
	tried  int           // the connections that the proxy refused

	refused int // after so many refused connections the proxy passes; 0 for never
}

type proxyMode int

const (
	proxyPasses proxyMode = iota
	proxyHangs
	proxyRefuses
)

// NewProxy runs a proxy for a database until the test ends.
func NewProxy(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: parsed.Host, conns: map[net.Conn]struct{}{}, held: make(chan struct{})}
	close(p.held)
	parsed.Host = listener.Addr().String()
	p.URL = parsed.String()
	go p.accept(listener)
	t.Cleanup(func() {
		_ = listener.Close() // ends accept
		p.setMode(proxyRefuses)
	})
	return p
}

// Hang keeps every connection open, and passes nothing on.
func (p *Proxy) Hang() { p.setMode(proxyHangs) }

// Refuse closes every connection, and each new one at once.
func (p *Proxy) Refuse() { p.setMode(proxyRefuses) }

// RefuseFirst refuses the first n connections, and passes the others.
func (p *Proxy) RefuseFirst(n int) {
	p.refused = n
	p.Refuse()
}

// CountRefused returns how many connections the proxy refused.
func (p *Proxy) CountRefused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tried
}

// Pass passes everything on, including what was held back.
func (p *Proxy) Pass() { p.setMode(proxyPasses) }

func (p *Proxy) setMode(mode proxyMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == proxyHangs && mode != proxyHangs {
		close(p.held)
	}
	if p.mode != proxyHangs && mode == proxyHangs {
		p.held = make(chan struct{})
	}
	p.mode = mode
	if mode == proxyRefuses {
		for conn := range p.conns {
			_ = conn.Close() // its copies end
		}
		clear(p.conns)
	}
}

// wait returns when the proxy does not hang.
func (p *Proxy) wait() {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	<-held
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.wait()
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.add(client, server) {
		_ = client.Close()
		if err == nil {
			_ = server.Close()
		}
		return
	}
	go p.copyTo(server, client)
	p.copyTo(client, server)
}

// add reports whether the connections may pass.
func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == proxyRefuses {
		if p.tried++; p.tried == p.refused {
			p.mode = proxyPasses
		}
		return false
	}
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
	return true
}

func (p *Proxy) copyTo(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				err = failed
			}
		}
		if err != nil {
			_ = from.Close()
			_ = to.Close()
			return
		}
	}
}
