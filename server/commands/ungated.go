package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/mattn/go-isatty"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

type ungatedCommand struct {
	Show     ungatedShow     `cmd:"" help:"Print what may be signed without approval."`
	Set      ungatedSet      `cmd:"" help:"Replace the list of what may be signed without approval."`
	AllowAll ungatedAllowAll `cmd:"" help:"Allow any name to be signed without approval, under profiles that are not gated."`
}

type ungatedShow struct{}

// Run implements the command.
func (ungatedShow) Run(ctx context.Context, config *app.Config) error {
	var names rules.UngatedNames
	err := look(ctx, config, func(tx *store.Tx) (err error) {
		names, err = profile.GetUngatedNames(tx)
		return err
	})
	if err != nil {
		return err
	}
	return showUngated(os.Stdout, names)
}

func showUngated(out io.Writer, names rules.UngatedNames) error {
	if names.AllowAll {
		_, err := fmt.Fprintln(out, "Any name may be signed without approval, under a profile that is not gated.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	count := 0
	for _, kind := range []struct {
		name     string
		patterns []string
	}{
		{"dns", names.AllowedDNSNames}, {"ip", names.AllowedIPRanges}, {"uri", names.AllowedURIs}, {"email", names.AllowedEmailDomains},
	} {
		for _, pattern := range kind.patterns {
			count++
			fmt.Fprintf(w, "%s\t%s\n", kind.name, pattern)
		}
	}
	if count == 0 {
		fmt.Fprintln(w, "No name may be signed without approval.")
	}
	for _, usage := range names.AllowedEKUs {
		fmt.Fprintf(w, "eku\t%s\n", usage)
	}
	return w.Flush()
}

type ungatedSet struct {
	DNS   []string `name:"dns" sep:"none" placeholder:"PATTERN" help:"DNS names, as in a profile: * as the first label is one label, ** one or more. May be repeated, like all of these."`
	IP    []string `name:"ip" sep:"none" placeholder:"CIDR" help:"IP addresses."`
	URI   []string `name:"uri" sep:"none" placeholder:"PATTERN" help:"URIs: in the path * is one segment, ** at the end one or more."`
	Email []string `sep:"none" placeholder:"DOMAIN" help:"E-mail addresses: the part after @."`
	EKU   []string `name:"eku" sep:"none" placeholder:"NAME" help:"Extended key usages; serverAuth unless given."`
	None  bool     `help:"Allow nothing: every certificate needs a gated profile."`
	Yes   bool     `help:"Do not ask."`
}

// Run implements the command.
func (c *ungatedSet) Run(ctx context.Context, config *app.Config) error {
	names, err := c.names()
	if err != nil {
		return err
	}
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	warnings, err := foresee(ctx, db, names)
	if err != nil {
		return err
	}
	if err := confirm(warnings, c.Yes, os.Stdin, isatty.IsTerminal(os.Stdin.Fd())); err != nil {
		return err
	}
	return setUngated(ctx, db, names)
}

func (c *ungatedSet) names() (rules.UngatedNames, error) {
	given := len(c.DNS)+len(c.IP)+len(c.URI)+len(c.Email)+len(c.EKU) > 0
	switch {
	case given && c.None:
		return rules.UngatedNames{}, errors.New("--none allows nothing: leave the lists out")
	case c.None:
		return rules.ListUngated(api.UngatedLists{})
	case !given:
		return rules.UngatedNames{}, errors.New("set needs the whole list (--dns, --ip, --uri, --email, --eku), or --none to allow nothing")
	}
	if len(c.EKU) == 0 {
		c.EKU = []string{"serverAuth"}
	}
	names, err := rules.ListUngated(api.UngatedLists{
		AllowedDNSNames: c.DNS, AllowedIPRanges: c.IP, AllowedURIs: c.URI, AllowedEmailDomains: c.Email, AllowedEKUs: c.EKU,
	})
	return names, explainFaults(err)
}

// explainFaults names the faults of a list by its flag.
func explainFaults(err error) error {
	var problem *api.Problem
	if !errors.As(err, &problem) {
		return err
	}
	flags := strings.NewReplacer("/allowed_dns_names", "--dns", "/allowed_ip_ranges", "--ip", "/allowed_uris", "--uri",
		"/allowed_email_domains", "--email", "/allowed_ekus", "--eku")
	details := make([]string, len(problem.Errors))
	for i, f := range problem.Errors {
		flag, _, _ := strings.Cut(flags.Replace(f.Pointer), "/")
		details[i] = flag + ": " + f.Detail
	}
	return errors.New(strings.Join(details, "; "))
}

// foresee describes what the names would open and what they would stop; empty if neither.
func foresee(ctx context.Context, db *store.Store, names rules.UngatedNames) (string, error) {
	var overlapped []profile.GatedOverlap
	var blocked []certificate.BlockedRenewal
	err := db.Read(ctx, func(tx *store.Tx) (err error) {
		if overlapped, err = profile.ListOverlaps(tx, names); err != nil {
			return err
		}
		blocked, err = certificate.ListBlockedRenewals(tx, names)
		return err
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if len(overlapped) > 0 {
		fmt.Fprintln(&b, "These gated profiles allow names that could also be signed without approval:")
	}
	for _, p := range overlapped {
		pairs := make([]string, len(p.Overlaps))
		for i, o := range p.Overlaps {
			pairs[i] = fmt.Sprintf("%s overlaps %s", o.Ungated, o.Allowed)
		}
		fmt.Fprintf(&b, "  %s (%s): %s\n", p.ID, p.Name, strings.Join(pairs, "; "))
	}
	if len(blocked) > 0 {
		fmt.Fprintln(&b, "These certificates could not be renewed, because their profiles are not gated:")
	}
	for _, c := range blocked {
		details := make([]string, len(c.Faults))
		for i, f := range c.Faults {
			details[i] = f.Detail
		}
		fmt.Fprintf(&b, "  %s (%s): %s\n", c.ID, c.ProfileID, strings.Join(details, "; "))
	}
	return b.String(), nil
}

// confirm prints the warnings and, unless yes is given, asks on the terminal whether to go on.
func confirm(warnings string, yes bool, in io.Reader, terminal bool) error {
	if warnings == "" {
		return nil
	}
	fmt.Print(warnings)
	if yes {
		return nil
	}
	if !terminal {
		return errors.New("nothing was changed: there is no terminal to ask on, give --yes to go on")
	}
	fmt.Fprint(os.Stderr, "Continue? [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}

type ungatedAllowAll struct {
	Yes bool `help:"Required: anyone with the role operator can then sign any name alone."`
}

// Run implements the command.
func (c *ungatedAllowAll) Run(ctx context.Context, config *app.Config) error {
	if !c.Yes {
		return errors.New("nothing was changed: allow-all lets anyone with the role operator sign any name alone, give --yes to do that")
	}
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	return setUngated(ctx, db, rules.AllUngated())
}

func setUngated(ctx context.Context, db *store.Store, names rules.UngatedNames) error {
	err := db.Write(ctx, func(tx *store.Tx) error { return profile.SetUngatedNames(tx, names) })
	if store.IsForbidden(err) {
		return errors.New("nothing was changed: the database role may not write the ungated names, use the role that owns the tables")
	}
	return err
}
