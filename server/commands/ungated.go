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
	err := readDatabase(ctx, config, func(tx *store.Tx) (err error) {
		names, err = profile.GetUngatedNames(tx)
		return err
	})
	if err != nil {
		return err
	}
	return printUngated(os.Stdout, names)
}

// printUngated prints what may be signed without approval.
func printUngated(out io.Writer, names rules.UngatedNames) error {
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
	DNS   []string `name:"dns" sep:"none" placeholder:"PATTERN" help:"DNS names, as in a profile. As the first label, * is one label and ** is one or more. May be repeated, like all lists."`
	IP    []string `name:"ip" sep:"none" placeholder:"CIDR" help:"IP addresses."`
	URI   []string `name:"uri" sep:"none" placeholder:"PATTERN" help:"URIs. In the path, * is one segment, and ** at the end is one or more."`
	Email []string `sep:"none" placeholder:"DOMAIN" help:"The domains of e-mail addresses, the part after @."`
	EKU   []string `name:"eku" sep:"none" placeholder:"NAME" help:"Extended key usages. If none is given, serverAuth."`
	None  bool     `help:"Allow no name: every certificate needs a gated profile."`
	Yes   bool     `help:"Do not ask."`
}

// Run implements the command.
func (c *ungatedSet) Run(ctx context.Context, config *app.Config) error {
	names, err := c.readNames()
	if err != nil {
		return err
	}
	db, err := config.Open(ctx, config.NewLogger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	warnings, err := describeEffects(ctx, db, names)
	if err != nil {
		return err
	}
	if err := confirm(warnings, c.Yes, os.Stdin, isatty.IsTerminal(os.Stdin.Fd())); err != nil {
		return err
	}
	return setUngated(ctx, db, names)
}

// readNames returns the names that the flags give.
func (c *ungatedSet) readNames() (rules.UngatedNames, error) {
	given := len(c.DNS)+len(c.IP)+len(c.URI)+len(c.Email)+len(c.EKU) > 0
	switch {
	case given && c.None:
		return rules.UngatedNames{}, errors.New("--none allows no name: leave the lists out")
	case c.None:
		return rules.NewUngatedNames(api.UngatedLists{})
	case !given:
		return rules.UngatedNames{}, errors.New("set needs the whole list (--dns, --ip, --uri, --email, --eku), or --none to allow no name")
	}
	if len(c.EKU) == 0 {
		c.EKU = []string{"serverAuth"}
	}
	names, err := rules.NewUngatedNames(api.UngatedLists{
		AllowedDNSNames: c.DNS, AllowedIPRanges: c.IP, AllowedURIs: c.URI, AllowedEmailDomains: c.Email, AllowedEKUs: c.EKU,
	})
	return names, explainFaults(err)
}

// explainFaults returns the faults of the lists, each with the flag of its list.
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

// describeEffects warns of gated profiles that the names overlap, and of certificates that could not be renewed. It
// returns an empty text if there are none.
func describeEffects(ctx context.Context, db *store.Store, names rules.UngatedNames) (string, error) {
	var overlaps []profile.GatedOverlap
	var blocked []certificate.BlockedRenewal
	err := db.Read(ctx, func(tx *store.Tx) (err error) {
		if overlaps, err = profile.ListOverlaps(tx, names); err != nil {
			return err
		}
		blocked, err = certificate.ListBlockedRenewals(tx, names)
		return err
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if len(overlaps) > 0 {
		fmt.Fprintln(&b, "These gated profiles allow names that could also be signed without approval:")
	}
	for _, p := range overlaps {
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

// confirm prints the warnings, and asks on the terminal whether to continue. If yes is given, it does not ask.
func confirm(warnings string, yes bool, in io.Reader, terminal bool) error {
	if warnings == "" {
		return nil
	}
	fmt.Print(warnings)
	if yes {
		return nil
	}
	if !terminal {
		return errors.New("nothing was changed: there is no terminal to ask on, give --yes to continue")
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
	Yes bool `help:"Required. Any operator can then have any name signed alone."`
}

// Run implements the command.
func (c *ungatedAllowAll) Run(ctx context.Context, config *app.Config) error {
	if !c.Yes {
		return errors.New("nothing was changed: allow-all lets any operator have any name signed alone, give --yes to allow it")
	}
	db, err := config.Open(ctx, config.NewLogger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	return setUngated(ctx, db, rules.AllowAllNames())
}

// setUngated stores the names. If the database role may not write them, the error says which role to use.
func setUngated(ctx context.Context, db *store.Store, names rules.UngatedNames) error {
	err := db.Write(ctx, func(tx *store.Tx) error { return profile.SetUngatedNames(tx, names) })
	if store.IsForbidden(err) {
		return errors.New("nothing was changed: the database role may not write the ungated names, use the role that owns the tables")
	}
	return err
}
