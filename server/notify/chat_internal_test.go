// cspell:ignore webhookb

package notify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// cspell:ignore starttls webhookb

// request is what a receiver of a chat got.
type request struct {
	Host, Path string
	Header     http.Header
	Body       string
}

// chatServer stands for every host that a chat service calls. It answers as answer says.
type chatServer struct {
	got    chan request
	answer func(http.ResponseWriter, *http.Request)
}

// startChatServer makes the default transport, which the services use, connect every host to one server.
func startChatServer(t *testing.T) *chatServer {
	t.Helper()
	c := &chatServer{got: make(chan request, 100), answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.got <- request{r.Host, r.URL.Path, r.Header, string(body)}
		c.answer(w, r)
	}))
	setDefaultTransport()
	before := http.DefaultTransport
	transport := newTransport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	http.DefaultTransport = asTransport(guard{transport})
	t.Cleanup(func() {
		http.DefaultTransport = before
		transport.CloseIdleConnections()
		server.Close()
	})
	return c
}

const (
	slackAddress = "slack://hook:T0AAAAAAA-B0BBBBBBB-SecretSecretSecretSecret@webhook"
	teamsAddress = "teams://11111111-2222-4333-8444-555555555555@66666666-7777-4888-9999-000000000000/0123456789abcdef0123456789abcdef/11111111-2222-4333-8444-555555555555/V2Secret?host=acme.webhook.office.com"
)

func sendTo(t *testing.T, address string, m message) error {
	t.Helper()
	chats, err := newChats(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return chats[0].send(ctx, m)
}

var sample = message{id: "msg-1", title: "certctl: ar-1 waits for approval", text: "olga requested a certificate.\nhttps://certctl.example.com/approvals/ar-1"}

// The shapes are those that Slack and Teams document for their webhooks.
func TestChats_GetTheShapesOfSlackAndTeams(t *testing.T) {
	c := startChatServer(t)
	if err := sendTo(t, slackAddress, sample); err != nil {
		t.Fatal(err)
	}
	got := <-c.got
	var slack struct {
		Text        string
		Attachments []struct{ Text string }
	}
	if err := json.Unmarshal([]byte(got.Body), &slack); err != nil {
		t.Fatal(err)
	}
	if got.Host != "hooks.slack.com" || got.Path != "/services/T0AAAAAAA/B0BBBBBBB/SecretSecretSecretSecret" || slack.Text != sample.title ||
		len(slack.Attachments) != 2 || slack.Attachments[0].Text+"\n"+slack.Attachments[1].Text != sample.text {
		t.Errorf("Slack got %+v", got)
	}

	if err := sendTo(t, teamsAddress, sample); err != nil {
		t.Fatal(err)
	}
	got = <-c.got
	var teams struct {
		Type     string `json:"@type"`
		Title    string
		Sections []struct{ Text string }
	}
	if err := json.Unmarshal([]byte(got.Body), &teams); err != nil {
		t.Fatal(err)
	}
	if got.Host != "acme.webhook.office.com" || !strings.HasPrefix(got.Path, "/webhookb2/") || teams.Type != "MessageCard" || teams.Title != sample.title ||
		len(teams.Sections) != 2 || teams.Sections[1].Text != "https://certctl.example.com/approvals/ar-1" {
		t.Errorf("Teams got %+v", got)
	}
}

// The reason of a failure names no part of the receiver's address. A redirect is not followed.
func TestChats_TellFailuresWithoutTheAddress(t *testing.T) {
	c := startChatServer(t)
	redirects := 0
	for want, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"it answered 403 Forbidden": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"it redirects, and redirects are not followed": func(w http.ResponseWriter, r *http.Request) {
			redirects++
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusTemporaryRedirect)
		},
		"it closed the connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"it did not take the message": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "no "+r.URL.String())
		},
	} {
		c.answer = answer
		err := sendTo(t, slackAddress, sample)
		if err == nil || describe(err) != want {
			t.Errorf("an error is told as %q, want %q: %v", describe(errors.Join(err)), want, err)
		}
		for len(c.got) > 0 {
			<-c.got
		}
	}
	if redirects != 1 {
		t.Errorf("a redirect was followed %d times", redirects-1)
	}
}

// mailbox is an SMTP server that keeps what it gets.
type mailbox struct {
	mails chan string
	fail  func(to string) error
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: b}, nil }

type mailSession struct {
	box *mailbox
	to  string
}

func (*mailSession) Reset()                               {}
func (*mailSession) Logout() error                        { return nil }
func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.box.fail(to)
}

func (s *mailSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	s.box.mails <- s.to + "\n" + string(body)
	return err
}

func startMailbox(t *testing.T) (*mailbox, string) {
	t.Helper()
	box := &mailbox{mails: make(chan string, 100), fail: func(string) error { return nil }}
	server := smtp.NewServer(box)
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return box, listener.Addr().String()
}

// Each recipient of mail is a receiver of its own, so one that is refused delays no other. A header has one line.
func TestChats_SendMailToEachRecipient(t *testing.T) {
	box, address := startMailbox(t)
	box.fail = func(to string) error {
		if to == "gone@example.com" {
			return &smtp.SMTPError{Code: 550, Message: "no such user, said the server with password hunter2"}
		}
		return nil
	}
	chats, err := newChats("smtp://" + address + "/?from=certctl@example.com&to=gone@example.com,team@example.com&auth=none&starttls=no")
	if err != nil || len(chats) != 2 {
		t.Fatalf("%d receivers, %v", len(chats), err)
	}
	long := sample
	long.text = joinLines([]string{strings.Repeat("a", 3000), ".", sample.text})
	ctx := context.Background()
	if err := chats[0].send(ctx, long); err == nil || describe(err) != "the mail server answered 550" {
		t.Errorf("a refused recipient is told as %v", err)
	}
	if err := chats[1].send(ctx, long); err != nil {
		t.Fatal(err)
	}
	mail := <-box.mails
	if len(box.mails) > 0 {
		t.Errorf("another mail was sent: %s", <-box.mails)
	}
	header, body, _ := strings.Cut(strings.ReplaceAll(mail, "\r\n", "\n"), "\n\n")
	if !strings.HasPrefix(header, "team@example.com\n") || !strings.Contains(header+"\n", "\nSubject: "+sample.title+"\n") || strings.Count(header, "\n") != 6 {
		t.Errorf("the header is %q", header)
	}
	if strings.TrimSpace(body) != long.text {
		t.Errorf("the mail says %q", body)
	}
	for line := range strings.Lines(body) {
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
}

// A mail server that accepts and never answers holds a delivery up for no longer than its time, and hangs no more than a few.
func TestChats_StopWaitingForAServerThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	chats, err := newChats("smtp://" + listener.Addr().String() + "/?from=certctl@example.com&to=team@example.com&auth=none")
	if err != nil {
		t.Fatal(err)
	}
	for range maxHanging + 1 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if err := chats[0].send(ctx, sample); err == nil || describe(err) != "it did not answer in time" {
			t.Errorf("a delivery that hangs is told as %v", err)
		}
		cancel()
	}
	if n := len(chats[0].running); n != maxHanging {
		t.Errorf("%d deliveries hang", n)
	}
	_ = listener.Close() // ends the connections that nobody accepted
}

// A bad address is told by its line, without its secrets.
func TestParse_NamesTheLineAndNoSecret(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"# comment\n\nslack://hook:hunter2@webhook": "CERTCTL_NOTIFY_URLS_FILE: line 3 is not complete for slack",
		"hunter2":                   "CERTCTL_NOTIFY_URLS_FILE: line 1 begins with no service",
		"hunter2://x":               "CERTCTL_NOTIFY_URLS_FILE: line 1 begins with no service",
		"logger://hunter2":          "CERTCTL_NOTIFY_URLS_FILE: line 1 begins with no service",
		"ntfy://user:hunter2%@host": "CERTCTL_NOTIFY_URLS_FILE: line 1 is no address",
		"smtp://user:hunter2@host/?from=a@example.com":                 "CERTCTL_NOTIFY_URLS_FILE: line 1 is not complete for smtp",
		teamsAddress + "\nteams://hunter2@tenant/a/b/c?host=evil.test": "CERTCTL_NOTIFY_URLS_FILE: line 2 is not complete for teams",
	} {
		err := (&Settings{ExternalURL: "https://certctl.example.com"}).Parse(Addresses{Chats: file})
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q is refused with %v, want %q", file, err, want)
		}
	}
	settings := Settings{ExternalURL: "https://certctl.example.com"}
	if err := settings.Parse(Addresses{Chats: slackAddress + "\n" + teamsAddress + "\n" + slackAddress}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join((&Notifier{targets: settings.targets}).names(), " "); got != "slack-1 teams-1 slack-2" {
		t.Errorf("the receivers are %s", got)
	}
}
