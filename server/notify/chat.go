package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// chat is a receiver that shoutrrr delivers to: a chat, mail, or a push service.
type chat struct {
	address string // holds secrets
	kind    string
	// running bounds deliveries that go on after their time. Some services have no time limit of their own.
	running chan struct{}
}

// maxHanging is how many deliveries to one address may hang.
const maxHanging = 8

// titled are the services that show a title apart from the text.
var titled = []string{"bark", "discord", "gotify", "ntfy", "pushbullet", "pushover", "slack", "smtp", "teams"}

// newChats checks an address and makes its receivers: one for each recipient of mail, so that a bad recipient delays no
// other. Its errors hold no part of the address.
func newChats(address string) ([]*chat, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("is no address: write one in the form of shoutrrr, such as slack://HOOK, smtp://HOST or ntfy://HOST/TOPIC")
	}
	kind, _, _ := strings.Cut(u.Scheme, "+")
	if !slices.Contains(new(router.ServiceRouter).ListServices(), kind) || kind == "logger" {
		return nil, errors.New("begins with no service that shoutrrr knows: write slack://, smtp:// or ntfy:// first, for example")
	}
	setDefaultTransport()
	var chats []*chat
	for _, one := range splitRecipients(kind, u) {
		c := &chat{address: one, kind: kind, running: make(chan struct{}, maxHanging)}
		// The service of Matrix signs in while it is made, so its address is checked at the first message.
		if _, err := c.locate(); err != nil && kind != "matrix" {
			return nil, fmt.Errorf("is not complete for %s: compare it with shoutrrr's page about that service", kind)
		}
		chats = append(chats, c)
	}
	return chats, nil
}

// splitRecipients returns an address for each recipient of mail.
func splitRecipients(kind string, u *url.URL) []string {
	if kind != "smtp" {
		return []string{u.String()}
	}
	query := u.Query()
	var recipients []string
	for key, values := range query {
		if lower := strings.ToLower(key); lower == "to" || lower == "toaddresses" {
			recipients = strings.Split(values[0], ",")
			query.Del(key)
		}
	}
	if len(recipients) == 0 {
		return []string{u.String()} // locate refuses it
	}
	addresses := make([]string, len(recipients))
	for i, recipient := range recipients {
		query.Set("toaddresses", strings.TrimSpace(recipient))
		one := *u
		one.RawQuery = query.Encode()
		addresses[i] = one.String()
	}
	return addresses
}

// locate makes the service of the address. Each delivery has a service of its own, as a service is not made for concurrent
// use.
func (c *chat) locate() (types.Service, error) {
	service, err := new(router.ServiceRouter).Locate(c.address)
	if err != nil {
		return nil, err
	}
	// These services bring transports of their own. The others use the default transport.
	switch s := service.(type) {
	case *ntfy.Service:
		s.SetHTTPClient(&http.Client{Transport: statusTeller{guarded()}, Timeout: sendWithin})
	case interface{ GetHTTPClient() *http.Client }:
		s.GetHTTPClient().Transport = guarded()
	}
	return service, nil
}

var (
	errHangs = errors.New("timed out: earlier deliveries still hang")
	errLate  = errors.New("timed out")
)

// send implements receiver. Services take no context, so send stops waiting when ctx ends.
func (c *chat) send(ctx context.Context, m message) error {
	select {
	case c.running <- struct{}{}:
	default:
		return errHangs
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-c.running }()
		done <- c.sendNow(m)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errLate
	}
}

func (c *chat) sendNow(m message) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("panic")
		}
	}()
	service, err := c.locate()
	if err != nil {
		return err
	}
	params := types.Params{}
	if slices.Contains(titled, c.kind) {
		params.SetTitle(m.title)
	}
	return service.Send(m.text, &params)
}

// setDefaultTransport makes the default transport follow no redirect, and bounds its answers. Most services of shoutrrr use
// it, and offer no other way. Nothing else in the server does.
var setDefaultTransport = sync.OnceFunc(func() { http.DefaultTransport = asTransport(guarded()) })

// asTransport returns a transport that sends everything through another one. A clone of it does not: clients clone the
// default transport, and expect its type.
func asTransport(through http.RoundTripper) *http.Transport {
	t := newTransport()
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // HTTP/2 would register https, too
	t.RegisterProtocol("http", through)
	t.RegisterProtocol("https", through)
	return t
}

// guarded returns a transport that refuses redirects, and bounds how long an answer takes and how long it is.
var guarded = sync.OnceValue(func() http.RoundTripper { return guard{newTransport()} })

type guard struct{ http.RoundTripper }

var errRedirect = errors.New("redirects are not followed")

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), sendWithin)
	answer, err := g.RoundTripper.RoundTrip(request.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	if answer.StatusCode/100 == 3 {
		cancel()
		return nil, errors.Join(errRedirect, answer.Body.Close())
	}
	answer.Body = boundedBody{io.LimitReader(answer.Body, maxAnswer), answer.Body, cancel}
	return answer, nil
}

// statusTeller makes an error of an answer that is a failure. ntfy's service tells what the body says, and leaves the
// status out.
type statusTeller struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s statusTeller) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := s.RoundTripper.RoundTrip(request)
	if err != nil || answer.StatusCode < 400 {
		return answer, err
	}
	return nil, errors.Join(statusError(answer.StatusCode), answer.Body.Close())
}

// boundedBody is the beginning of an answer.
type boundedBody struct {
	io.Reader
	body   io.Closer
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b boundedBody) Close() error {
	defer b.cancel()
	return b.body.Close()
}
