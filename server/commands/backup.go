package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/app"
)

type backupCommand struct {
	File string `arg:"" help:"The new file. An existing file is not overwritten."`
}

// Run implements the command.
func (c *backupCommand) Run(ctx context.Context, config *app.Config) error {
	done, err := app.WriteBackup(ctx, *config, c.File)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, schema version %d, taken at %s\n", c.File, done.Bytes, done.Schema, done.TakenAt.Format(time.RFC3339))
	_, err = fmt.Printf("the CA is not in the backup: store %s and %s in another place\n", done.CACertFile, done.CAKeyFile)
	return err
}
