package people

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/certctl/terraform-provider-certctl/api"
)

// LoginCommand stores a key.
type LoginCommand struct{ Server }

// Run implements the command.
func (c *LoginCommand) Run(ctx context.Context, version Version) error {
	saved, err := findLogins()
	if err != nil {
		return explain(err, "")
	}
	endpoint, err := c.chooseEndpoint(saved)
	if err != nil {
		return explain(err, "")
	}
	key, err := readKey(ctx, endpoint)
	if err != nil {
		return explain(err, "")
	}
	one, err := c.newLogin(saved, endpoint, key)
	if err != nil {
		return explain(err, "")
	}
	s, err := open(one, version)
	if err != nil {
		return err
	}
	me, err := s.GetMe(ctx)
	if err != nil {
		return explain(err, "")
	}
	if err := saved.store(one); err != nil {
		return explain(err, "")
	}
	out := newScreen(os.Stdout, false)
	out.print(fmt.Sprintf("Signed in at %s as %s (%s).", endpoint, me.ID, joinRoles(me.Roles, ", ")))
	warnOfLogin(newScreen(os.Stderr, false), me)
	return out.done()
}

// newLogin returns the login to store. Without a CA file it has that of the login before.
func (c *LoginCommand) newLogin(saved logins, endpoint, key string) (login, error) {
	one := login{Endpoint: endpoint, APIKey: key}
	if c.CAFile != "" {
		var err error
		one.CAFile, err = filepath.Abs(c.CAFile)
		return one, err
	}
	if former, err := saved.find(endpoint); err == nil && former != nil { // a login that cannot be read is replaced
		one.CAFile = former.CAFile
	}
	return one, nil
}

// warnOfLogin says what makes a login less useful than its owner thinks.
func warnOfLogin(s *screen, me api.Me) {
	if me.Kind != api.KindHuman {
		s.warn(me.ID + " is a service: it cannot approve or reject.")
	}
	if os.Getenv(apiKeyVariable) != "" {
		s.warn(apiKeyVariable + " is set, and takes precedence over this login.")
	}
}

// chooseEndpoint returns the endpoint of the settings, or that of the only login.
func (s Server) chooseEndpoint(saved logins) (string, error) {
	if s.Endpoint != "" {
		return cleanEndpoint(s.Endpoint)
	}
	one, _, err := s.chooseLogin(saved)
	return one.Endpoint, err
}

// readKey reads a key from the terminal, or from standard input.
func readKey(ctx context.Context, endpoint string) (string, error) {
	key, err := readKeyLine(ctx, endpoint)
	if key = strings.TrimSpace(key); err == nil && key == "" {
		err = fail(ExitUsage, "An operator makes one with certctl key create.", "there is no API key on standard input")
	}
	return key, err
}

func readKeyLine(ctx context.Context, endpoint string) (string, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return askSecret(ctx, "API key for "+visible(endpoint)+": ", "nothing was stored")
	}
	const most = 4096 // bytes; a key is far shorter
	text, err := io.ReadAll(io.LimitReader(os.Stdin, most))
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	return string(text), nil
}

// LogoutCommand removes a stored key.
type LogoutCommand struct{ Server }

// Run implements the command.
func (c *LogoutCommand) Run() error {
	saved, err := findLogins()
	if err != nil {
		return explain(err, "")
	}
	endpoint, err := c.chooseEndpoint(saved)
	if err != nil {
		return explain(err, "")
	}
	found, err := saved.remove(endpoint)
	switch {
	case err != nil:
		return explain(err, "")
	case !found:
		return fail(ExitNoMatch, "", "you are not signed in at %s", endpoint)
	}
	out := newScreen(os.Stdout, false)
	out.print("Signed out at " + endpoint + ". The key stays valid until an operator revokes it.")
	return out.done()
}

// WhoamiCommand prints who the caller is.
type WhoamiCommand struct {
	Server
	Format
}

// Run implements the command.
func (c *WhoamiCommand) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	me, err := s.GetMe(ctx)
	switch {
	case err != nil:
		return explain(err, "")
	case c.isJSON():
		return s.printAnswer()
	}
	out := newScreen(os.Stdout, c.Exact)
	out.field("principal", fmt.Sprintf("%s (%s)", me.ID, me.Kind))
	if me.Owner != nil {
		out.field("owner", *me.Owner)
	}
	out.field("roles", cmp.Or(joinRoles(me.Roles, ", "), "none"))
	out.field("server", fmt.Sprintf("%s (from %s)", s.Endpoint(), s.endpointSource))
	out.field("key", fmt.Sprintf("%s (from %s)", me.KeyID, s.keySource))
	if me.KeyExpiresAt != nil {
		out.field("key expires", out.when(*me.KeyExpiresAt))
	}
	return out.done()
}
