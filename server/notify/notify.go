package notify

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// message is what a receiver gets: a webhook the body, the others title and text.
type message struct {
	id    string // the same at every attempt
	title string // one line of ASCII
	text  string
	body  []byte // the event as JSON
}

// receiver delivers messages to one address.
type receiver interface {
	// send delivers a message. What it returns may hold the address: see describe.
	send(ctx context.Context, m message) error
}

// target is a receiver with its name.
type target struct {
	// name is the scheme of the address, and its number among those of the same scheme: slack-1. It holds no secret.
	name string
	// kind is the scheme.
	kind string
	receiver
}

// Notifier delivers the messages of a database.
type Notifier struct {
	store     *store.Store
	outbox    *outbox.Outbox
	targets   []target
	reminders []Fraction
	writer    writer
	metrics   *metrics
	log       *slog.Logger
}

// New makes a Notifier for settings that Parse has checked.
func New(db *store.Store, settings Settings, log *slog.Logger, registry prometheus.Registerer) *Notifier {
	registry.MustRegister(&backlogCollector{db, log})
	return &Notifier{
		store: db, outbox: &outbox.Outbox{Store: db}, targets: settings.targets, reminders: settings.Reminders,
		writer: writer{origin: settings.ExternalURL, names: settings.Names}, metrics: newMetrics(registry), log: log,
	}
}

// names returns the names of the receivers.
func (n *Notifier) names() []string {
	names := make([]string, len(n.targets))
	for i, t := range n.targets {
		names[i] = t.name
	}
	return names
}
