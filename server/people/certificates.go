package people

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// CertificatesCommand are the commands for certificates.
type CertificatesCommand struct {
	List  CertificatesList `cmd:"" help:"List certificates. If none matches, the exit code is 5."`
	Show  CertificatesShow `cmd:"" help:"Print a certificate, its current leaf and its newest request."`
	Renew CertificateRenew `cmd:"" help:"Print what would be signed, ask, and request exactly that."`
	Chain CertificateChain `cmd:"" help:"Print the current leaf and its issuers as PEM."`
}

// CertificatesList lists certificates.
type CertificatesList struct {
	Server
	Format
	Profile       string                `placeholder:"ID" help:"Only certificates under this profile."`
	CommonName    string                `placeholder:"NAME" help:"Only certificates with this common name."`
	SAN           string                `name:"san" placeholder:"NAME" help:"Only certificates with this name, exactly."`
	Status        api.CertificateStatus `enum:",unissued,awaiting_approval,issuing,issued,rejected,expired,request_expired,failed,cancelled" default:"" help:"Only certificates with this status, such as issued or awaiting_approval."`
	SerialNumber  string                `placeholder:"HEX" help:"Only the certificate with a leaf of this serial number."`
	Fingerprint   string                `placeholder:"HEX" help:"Only the certificate with a leaf of this SHA-256 fingerprint."`
	SPKI          string                `name:"spki" placeholder:"HEX" help:"Only certificates with this public key, by its SHA-256."`
	ExpiresWithin time.Duration         `placeholder:"DURATION" help:"Only certificates that expire within this time, such as 12h or 30d."`
	Blocked       bool                  `help:"Only certificates that the scheduler cannot renew."`
	Archived      bool                  `help:"Archived certificates instead of live ones."`
	Limit         int                   `help:"At most this many; 0 for all."`
}

// Run implements the command.
func (c *CertificatesList) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	limit, err := pageOf(c.Limit)
	if err != nil {
		return err
	}
	found, err := collect(s.ListCertificates(ctx, client.ListCertificatesOptions{
		Page: limit, ProfileID: c.Profile, CommonName: c.CommonName, SAN: c.SAN, Status: c.Status,
		SerialNumber: c.SerialNumber, FingerprintSHA256: c.Fingerprint, SPKISHA256: c.SPKI,
		ExpiresBefore: ago(-c.ExpiresWithin), Blocked: c.Blocked, Archived: c.Archived,
	}), c.Limit)
	switch {
	case err != nil:
		return explain(err, "")
	case c.isJSON():
		err = s.printList(c.Limit)
	case len(found) > 0:
		err = newScreen(os.Stdout, c.Exact).listCertificates(found)
	}
	if err == nil && len(found) == 0 {
		err = fail(ExitNoMatch, "", "no certificate matches")
	}
	return explain(err, "")
}

func (s *screen) listCertificates(all []api.Certificate) error {
	columns := []column{{title: "ID", whole: true}, {title: "NAMES"}, {title: "PROFILE"}, {title: "STATUS"}, {title: "EXPIRES"}, {title: "RENEWAL"}}
	rows := make([][]string, len(all))
	for i, c := range all {
		expires := "-"
		if c.Current != nil {
			expires = s.when(c.Current.NotAfter)
		}
		rows[i] = []string{c.ID, listNames(c), c.ProfileID, string(c.Status), expires, s.describeRenewal(c.Renewal)}
	}
	s.table(columns, rows)
	return s.done()
}

// listNames returns the names of a certificate in one line.
func listNames(c api.Certificate) string {
	if len(c.SANs) == 0 {
		return c.CommonName
	}
	return strings.Join(c.SANs, ", ")
}

func (s *screen) describeRenewal(r api.Renewal) string {
	if r.BlockedBy != nil {
		return "blocked: " + strings.ReplaceAll(string(*r.BlockedBy), "_", " ")
	}
	return s.whenOrDash(r.DueAt)
}

// CertificatesShow prints a certificate.
type CertificatesShow struct {
	Server
	Format
	ID string `arg:"" help:"The id of the certificate, mc-..."`
}

// Run implements the command.
func (c *CertificatesShow) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	found, err := s.GetCertificate(ctx, c.ID)
	switch {
	case err != nil:
		return explain(err, c.ID)
	case c.isJSON():
		return explain(s.printAnswer(), "")
	}
	out := newScreen(os.Stdout, c.Exact)
	out.showCertificate(found)
	return out.done()
}

func (s *screen) showCertificate(c api.Certificate) {
	s.printStyled(styleTitle, c.ID+": "+strings.ReplaceAll(string(c.Status), "_", " "))
	s.field("profile", c.ProfileID)
	s.field("common name", cmp.Or(c.CommonName, "-"))
	for i, name := range c.SANs {
		s.field(firstOnly(i, "names"), name)
	}
	for i, part := range c.CSRIgnored {
		s.field(firstOnly(i, "not signed"), part.What+": "+part.Value)
	}
	if c.Current != nil {
		s.showLeaf(*c.Current)
	}
	s.field("up to date", yesOrNo(c.UpToDate))
	s.field("renewal", s.describeRenewal(c.Renewal))
	if c.Renewal.Detail != "" {
		s.field("", c.Renewal.Detail)
	}
	s.showJob(c)
}

// firstOnly returns a label for the first of several values.
func firstOnly(index int, label string) string {
	if index == 0 {
		return label
	}
	return ""
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (s *screen) showLeaf(l api.Leaf) {
	s.field("serial number", l.SerialNumber)
	s.field("valid from", s.when(l.NotBefore))
	s.field("expires", s.when(l.NotAfter))
	s.field("fingerprint", l.FingerprintSHA256)
	s.field("issuer", l.IssuerID)
}

// showJob writes the newest job and its approval.
func (s *screen) showJob(c api.Certificate) {
	if c.Job == nil {
		return
	}
	s.field("newest job", fmt.Sprintf("%s (%s), %s", c.Job.ID, c.Job.Type, c.Job.Status))
	if c.Job.ErrorMessage != "" {
		s.field("", c.Job.ErrorMessage)
	}
	if c.ApprovalID != nil && c.ApprovalState != nil {
		s.field("request", fmt.Sprintf("%s, %s", *c.ApprovalID, *c.ApprovalState))
	}
}

// CertificateChain prints a chain.
type CertificateChain struct {
	Server
	ID string `arg:"" help:"The id of the certificate, mc-..."`
}

// Run implements the command.
func (c *CertificateChain) Run(ctx context.Context, version Version) error {
	s, err := c.connect(version)
	if err != nil {
		return err
	}
	if _, err = s.GetCertificateChain(ctx, c.ID); err != nil {
		return explain(err, c.ID)
	}
	return explain(s.printAnswer(), "")
}
