package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/certctl/terraform-provider-certctl/server/notify"
)

// MessagesConfig holds the settings of messages. The commands that test and list messages have them, too.
type MessagesConfig struct {
	ExternalURL       string           `name:"external-url" env:"CERTCTL_EXTERNAL_URL" placeholder:"URL" help:"The origin where people reach the server, such as https://certctl.example.com. Required with receivers of messages: every message links to it."`
	WebhookURL        string           `name:"webhook-url" env:"CERTCTL_WEBHOOK_URL" secret:"true" placeholder:"URL" help:"The address that gets events as signed JSON."`
	WebhookSecretFile string           `name:"webhook-secret-file" env:"CERTCTL_WEBHOOK_SECRET_FILE" help:"The secret that signs the events, as whsec_ and Base64; two lines while it is replaced."`
	NotifyURLsFile    string           `name:"notify-urls-file" env:"CERTCTL_NOTIFY_URLS_FILE" help:"The addresses of chats and mail that get messages, one on a line, as shoutrrr writes them."`
	NotifyReminders   notify.Fractions `name:"notify-reminders" env:"CERTCTL_NOTIFY_REMINDERS" default:"50%,90%" placeholder:"PERCENT,..." help:"Parts of the time until the deadline after which a waiting request is told again; empty for no reminders."`
	NotifyNames       bool             `name:"notify-names" env:"CERTCTL_NOTIFY_NAMES" default:"true" help:"Write names of certificates in messages; otherwise their numbers."`
}

// parse reads the files of the receivers and checks all settings of messages. Its errors hold no secret.
func (c MessagesConfig) parse() (notify.Settings, error) {
	settings := notify.Settings{ExternalURL: c.ExternalURL, Names: c.NotifyNames, Reminders: c.NotifyReminders}
	if (c.WebhookURL == "") != (c.WebhookSecretFile == "") {
		return settings, fmt.Errorf("CERTCTL_WEBHOOK_URL and CERTCTL_WEBHOOK_SECRET_FILE belong together: set both")
	}
	addresses := notify.Addresses{WebhookURL: c.WebhookURL}
	var err error
	if addresses.Secrets, err = readSetting("CERTCTL_WEBHOOK_SECRET_FILE", c.WebhookSecretFile); err != nil {
		return settings, err
	}
	if addresses.Chats, err = readSetting("CERTCTL_NOTIFY_URLS_FILE", c.NotifyURLsFile); err != nil {
		return settings, err
	}
	return settings, settings.Parse(addresses)
}

// readSetting reads the file that a setting names; nothing if it names none.
func readSetting(setting, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	return string(content), nil
}

// PrepareMessages registers where messages go: they are written for these receivers from then on, by every process. If the
// bypass is on, it tells them so, whichever process delivers that.
func (s *Server) PrepareMessages(ctx context.Context) error {
	if err := s.messages.Register(ctx); err != nil || !s.config.ApprovalBypass {
		return err
	}
	return s.services.store.Write(ctx, notify.TellBypass)
}

// TellDue writes the messages that time brings, as the reaper does.
func (s *Server) TellDue(ctx context.Context) error {
	return errors.Join(s.messages.Remind(ctx), s.messages.TellExpiring(ctx))
}

// TestReceivers sends a test message to every receiver of the settings.
func TestReceivers(ctx context.Context, config MessagesConfig) ([]notify.Outcome, error) {
	settings, err := config.parse()
	if err != nil {
		return nil, err
	}
	return notify.Test(ctx, settings)
}
