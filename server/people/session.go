package people

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/certctl/terraform-provider-certctl/client"
)

// Version is the version of the program.
type Version string

// apiKeyVariable has a key that takes precedence over those of logins. There is no flag: other users could see its value.
const apiKeyVariable = "CERTCTL_API_KEY" //nolint:gosec // a name, no key

// endpointVariable has the default of --endpoint.
const endpointVariable = "CERTCTL_ENDPOINT"

// Server says which server a command calls.
type Server struct {
	Endpoint string `env:"CERTCTL_ENDPOINT" placeholder:"URL" help:"The address of the server. You may leave it out if you are signed in at one server."`
	CAFile   string `name:"ca-file" env:"CERTCTL_CA_FILE" placeholder:"FILE" help:"PEM file with the CAs of the server's certificate, instead of those of the system."`
}

// Format says how a command prints.
type Format struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"table, or json: exactly what the server answered."`
	Exact  bool   `help:"Print times as RFC 3339, also on a terminal."`
}

func (f Format) isJSON() bool { return f.Output == "json" }

// session is one command's connection to a server.
type session struct {
	*client.Client
	endpointSource string
	keySource      string
	answers        [][]byte // the body of each success
}

// connect returns a session with the settings of the command, its environment and the logins, in this order.
func (s Server) connect(version Version) (*session, error) {
	saved, err := findLogins()
	if err != nil && (s.Endpoint == "" || os.Getenv(apiKeyVariable) == "") {
		return nil, explain(err, "")
	}
	found, source, err := s.chooseLogin(saved)
	if err != nil {
		return nil, explain(err, "")
	}
	keySource := source
	if key := os.Getenv(apiKeyVariable); key != "" {
		found.APIKey, keySource = key, apiKeyVariable
	}
	if found.APIKey == "" {
		return nil, fail(ExitUsage, "Sign in with certctl login --endpoint "+found.Endpoint+", or set "+apiKeyVariable+".",
			"you are not signed in at %s", found.Endpoint)
	}
	if s.CAFile != "" {
		found.CAFile = s.CAFile
	}
	connected, err := open(found, version)
	if err != nil {
		return nil, err
	}
	connected.keySource = keySource
	connected.endpointSource = s.describeEndpointSource(source)
	return connected, nil
}

// open makes a session with a login.
func open(l login, version Version) (*session, error) {
	s := &session{}
	opts := []client.Option{
		client.WithUserAgent("certctl/" + string(version)),
		client.WithAnswers(func(body []byte) { s.answers = append(s.answers, body) }),
	}
	if l.CAFile != "" {
		opts = append(opts, client.WithCAFile(l.CAFile))
	}
	var err error
	if s.Client, err = client.New(l.Endpoint, l.APIKey, opts...); err != nil {
		return nil, explain(err, "")
	}
	return s, nil
}

// chooseLogin returns the login at the chosen endpoint, and where the login comes from. Without a login it has no key.
func (s Server) chooseLogin(saved logins) (login, string, error) {
	if s.Endpoint != "" {
		endpoint, err := cleanEndpoint(s.Endpoint)
		if err != nil {
			return login{}, "", err
		}
		if saved.dir == "" || os.Getenv(apiKeyVariable) != "" {
			return login{Endpoint: endpoint}, "", nil
		}
		one, err := saved.find(endpoint)
		if err != nil || one == nil {
			return login{Endpoint: endpoint}, "", err
		}
		return *one, "login", nil
	}
	all, err := saved.list()
	switch {
	case err != nil:
		return login{}, "", err
	case len(all) == 0:
		return login{}, "", fail(ExitUsage, "Sign in with certctl login --endpoint URL, or set "+endpointVariable+" and "+apiKeyVariable+".", "you are signed in at no server")
	case len(all) > 1:
		return login{}, "", fail(ExitUsage, "Give one of them with --endpoint or "+endpointVariable+".", "you are signed in at more than one server: %s", listEndpoints(all))
	}
	return all[0], "login", nil
}

func listEndpoints(all []login) string {
	endpoints := make([]string, len(all))
	for i, l := range all {
		endpoints[i] = l.Endpoint
	}
	return strings.Join(endpoints, ", ")
}

// cleanEndpoint returns an endpoint as the client writes it, so that each server has one spelling.
func cleanEndpoint(endpoint string) (string, error) {
	c, err := client.New(endpoint, "")
	if err != nil {
		return "", explain(err, "")
	}
	return c.Endpoint(), nil
}

// describeEndpointSource names where the endpoint comes from. The environment is the default of the flag.
func (s Server) describeEndpointSource(loginSource string) string {
	switch s.Endpoint {
	case "":
		return loginSource
	case os.Getenv(endpointVariable):
		return endpointVariable
	default:
		return "--endpoint"
	}
}

// printAnswer writes the last answer, as the server sent it.
func (s *session) printAnswer() error {
	return writeAll(bytes.TrimRight(s.answers[len(s.answers)-1], "\n"))
}

// printList writes at most limit elements of a list, as the server sent them; 0 for no limit. The first page has no more
// than the limit.
func (s *session) printList(limit int) error {
	if len(s.answers) == 1 {
		return s.printAnswer()
	}
	var elements []json.RawMessage
	for _, answer := range s.answers {
		var page []json.RawMessage
		if err := json.Unmarshal(answer, &page); err != nil {
			return fmt.Errorf("read a page of the list: %w", err)
		}
		elements = append(elements, page...)
	}
	if limit > 0 {
		elements = elements[:min(limit, len(elements))]
	}
	var b bytes.Buffer
	b.WriteByte('[')
	for i, element := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(element)
	}
	b.WriteByte(']')
	return writeAll(b.Bytes())
}

func writeAll(text []byte) error {
	if _, err := os.Stdout.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
