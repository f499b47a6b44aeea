package commands

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/job"
)

type caCommand struct {
	Init    caInit    `cmd:"" help:"Make the CA's key and certificate. An existing file is not overwritten."`
	Replace caReplace `cmd:"" help:"Make the configured CA the CA of all servers, and list the requests that become stale."`
}

type caInit struct {
	Key  ca.KeyKind `default:"ecdsa-p256" enum:"ecdsa-p256,ecdsa-p384,rsa-3072,rsa-4096,ed25519" help:"The kind of key: ${enum}. Old appliances need RSA."`
	Name string     `help:"The common name; by default a name with random digits."`
	Days int        `default:"3650" help:"How many days the CA is valid."`
}

// Run implements the command.
func (c *caInit) Run(config *app.Config) error {
	file, err := config.CreateCA(ca.Options{Key: c.Key, Name: c.Name, Days: c.Days}, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Println(file)
	return err
}

type caReplace struct{}

// Run implements the command.
func (caReplace) Run(ctx context.Context, config *app.Config) error {
	done, fingerprint, err := app.ReplaceCA(ctx, *config)
	switch {
	case err != nil:
		return err
	case done.Before == fingerprint:
		_, err = fmt.Printf("nothing changed: the CA is %s already\n", fingerprint)
		return err
	}
	fmt.Printf("the CA is now %s, and was %s: restart every server with the new CA\n", fingerprint, cmp.Or(done.Before, "none"))
	if len(done.Stale) == 0 {
		return nil
	}
	fmt.Println("these requests are for the former CA and will be refused; renew their certificates again:")
	return printTable("JOB\tCERTIFICATE\tSTATUS\tAPPROVAL\tREQUESTED BY", done.Stale, func(j job.Job) []any {
		return []any{j.ID, j.CertificateID, j.Status, orDash(j.ApprovalID), j.RequestedBy}
	})
}
