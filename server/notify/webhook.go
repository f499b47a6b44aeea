package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// dialWithin and answerWithin bound the parts of a request; sendWithin bounds all of a delivery.
	dialWithin   = 5 * time.Second
	answerWithin = 10 * time.Second
	sendWithin   = 20 * time.Second
	// maxAnswer is how much of an answer is read. It is not used.
	maxAnswer = 4 << 10
)

// webhook is a receiver of signed JSON events.
type webhook struct {
	url     string // may hold a secret
	signers []*standardwebhooks.Webhook
	client  *http.Client
}

const (
	minSecret = 24 // bytes, as Standard Webhooks require
	maxSecret = 64
)

// newWebhook checks the address and the secrets of a webhook. Its errors hold neither.
func newWebhook(address string, secrets []line) (*webhook, error) {
	if err := checkAddress(address); err != nil {
		return nil, fmt.Errorf("CERTCTL_WEBHOOK_URL %w", err)
	}
	if len(secrets) == 0 || len(secrets) > 2 {
		return nil, fmt.Errorf("CERTCTL_WEBHOOK_SECRET_FILE has %d secrets: write one secret on a line, or two while you replace one", len(secrets))
	}
	w := &webhook{url: address, client: &http.Client{Transport: newTransport(), Timeout: sendWithin, CheckRedirect: refuseRedirect}}
	for _, secret := range secrets {
		signer, err := newSigner(secret.text)
		if err != nil {
			return nil, fmt.Errorf("CERTCTL_WEBHOOK_SECRET_FILE: line %d %w", secret.number, err)
		}
		w.signers = append(w.signers, signer)
	}
	return w, nil
}

// newSigner makes a signer of a secret as Standard Webhooks write it.
func newSigner(secret string) (*standardwebhooks.Webhook, error) {
	key, err := decodeSecret(secret)
	if err != nil {
		return nil, err
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// checkAddress checks where events may go: to https, or to http on loopback.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return errors.New("is no address: write https://host/path")
	}
	if !isPrivate(u) {
		return errors.New("must begin with https://; http is for loopback alone")
	}
	return nil
}

// isPrivate reports whether nobody on the way can read what is sent to an address.
func isPrivate(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopbackHost(u.Hostname())
}

func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialWithin}).DialContext,
		TLSHandshakeTimeout:   dialWithin,
		ResponseHeaderTimeout: answerWithin,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   1,
		ForceAttemptHTTP2:     true,
	}
}

// refuseRedirect returns the answer that redirects, so that nothing follows it.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// send implements receiver.
func (w *webhook) send(ctx context.Context, m message) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(m.body))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	if err := w.sign(request.Header, m, time.Now()); err != nil {
		return err
	}
	answer, err := w.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // what was read lets the connection be used again
	if answer.StatusCode/100 != 2 {
		return statusError(answer.StatusCode)
	}
	return nil
}

// sign sets the headers of an attempt. The id is the same for every attempt; the time is that of this one.
func (w *webhook) sign(header http.Header, m message, at time.Time) error {
	signatures := make([]string, len(w.signers))
	for i, signer := range w.signers {
		signature, err := signer.Sign(m.id, at, m.body)
		if err != nil {
			return errors.New("the event cannot be signed")
		}
		signatures[i] = signature
	}
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "certctl")
	header.Set(standardwebhooks.HeaderWebhookID, m.id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
