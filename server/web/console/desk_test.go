package console_test

import (
	"errors"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// desk has the ids of what waits in the pictures.
type desk struct{ lookAlike, edit, own, done string }

// prepareDesk makes a shop: a profile, a certificate in use, and requests that wait for bob.
func prepareDesk(t *testing.T, s *servertest.Server) desk {
	t.Helper()
	ctx, olga, alice, carol := t.Context(), s.Client(t, "olga"), s.Client(t, "alice"), s.Client(t, "carol")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rules := api.DefaultProfileSpec()
	rules.Name, rules.RequiresApproval, rules.AllowedDNSNames, rules.AllowWildcardNames = "Payments", true, []string{"**.example.com"}, true
	profile, err := olga.CreateProfile(ctx, api.CreateProfile{ID: "p-payments", ProfileSpec: rules})
	must(err)
	create := func(id string, names ...string) api.Certificate {
		t.Helper()
		spec := api.DefaultCertificateSpec()
		spec.SANs, spec.ProfileID, spec.CSRPEM = names, profile.ID, servertest.CSR(t)
		c, err := olga.CreateCertificate(ctx, api.CreateCertificate{ID: id, CertificateSpec: spec})
		must(err)
		return c
	}
	request := func(c api.Certificate, reason string) string {
		t.Helper()
		j, err := alice.RenewCertificate(ctx, c.ID, api.Renew{Reason: reason})
		must(err)
		return *j.ApprovalID
	}
	var d desk
	shop := create("mc-shop", "pay.example.com", "www.example.com")
	d.done = request(shop, "The shop opens.")
	a, err := carol.ApproveApproval(ctx, d.done, api.Decision{Note: "As planned."})
	must(err)
	s.WaitUntilFinalAsVera(t, *a.JobID)
	s.Clock.Advance(50 * 24 * time.Hour)
	gateway := create("mc-gateway", "*.api.example.com")
	rejected := request(gateway, "")
	_, err = carol.RejectApproval(ctx, rejected, api.Decision{Note: "A wildcard is not needed: list the names."})
	must(err)
	s.Clock.Advance(30 * time.Hour)
	request(gateway, "Partners need new host names every week.")
	s.Clock.Advance(49 * time.Hour)
	mail, err := s.Client(t, "bob").RenewCertificate(ctx, create("mc-mail", "mail.example.com").ID, api.Renew{})
	must(err)
	d.own = *mail.ApprovalID
	shop, err = olga.GetCertificate(ctx, "mc-shop")
	must(err)
	// cspell:ignore wvvw
	shop.SANs = []string{"pay.example.com", "www.example.com", "shop.example.com", "wvvw.example.com", "mail.example.com"}
	_, err = olga.ReplaceCertificate(ctx, shop.ID, shop.CertificateSpec)
	must(err)
	d.lookAlike = request(shop, "New campaign site.\nPlease approve before Friday.")
	s.Clock.Advance(150 * time.Minute)
	rules.MaxTTLSeconds, rules.AllowedDNSNames = int64((180 * 24 * time.Hour).Seconds()), []string{"**.example.com", "**.example.net"}
	_, err = alice.ReplaceProfile(ctx, profile.ID, rules)
	var waits *client.AwaitingApprovalError
	if !errors.As(err, &waits) {
		t.Fatal(err)
	}
	d.edit = waits.Approval.ID
	return d
}
