package notify

import (
	"context"
	"encoding/json"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// testType is the type of the event that Test sends. It tells nothing.
const testType outbox.Type = "test"

// Outcome is what became of a test message.
type Outcome struct {
	Receiver string
	// Failure says what went wrong, without the address; empty if the receiver took the message.
	Failure string
}

// Test sends a message to each receiver of the settings, at once and without the outbox.
func Test(ctx context.Context, settings Settings) ([]Outcome, error) {
	m, err := testMessage(settings.ExternalURL, time.Now())
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(settings.targets))
	for i, t := range settings.targets {
		outcomes[i].Receiver = t.name
		sending, cancel := context.WithTimeout(ctx, sendWithin)
		if err := t.send(sending, m); err != nil {
			outcomes[i].Failure = describe(err)
		}
		cancel()
	}
	return outcomes, nil
}

func testMessage(origin string, now time.Time) (message, error) {
	body, err := json.Marshal(event{Type: testType, Timestamp: now.UTC(), Data: serverData{SchemaVersion: schemaVersion, URL: origin}})
	return message{
		id: store.NewID("msg-test-"), title: "certctl: test", body: body,
		text: joinLines([]string{"This is a test. If you read it, messages of certctl arrive here.", origin}),
	}, err
}
