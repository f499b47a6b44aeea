package notify

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Settings say where messages go and what they contain.
type Settings struct {
	// ExternalURL is the origin where people reach the server.
	ExternalURL string
	// Names says that messages contain names of certificates; without it they contain counts.
	Names bool
	// Reminders are the parts of the time until the deadline after which people are reminded.
	Reminders []Fraction

	targets []target
}

// Fraction is a part of a time, in percent.
type Fraction int

func (f Fraction) String() string { return strconv.Itoa(int(f)) + "%" }

// Fractions are a list such as 50%,90%.
type Fractions []Fraction

// UnmarshalText implements encoding.TextUnmarshaler. An empty text is an empty list.
func (f *Fractions) UnmarshalText(text []byte) error {
	*f = Fractions{}
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		percent, err := strconv.Atoi(strings.TrimSuffix(part, "%"))
		if err != nil || !strings.HasSuffix(part, "%") || percent < 1 || percent > 99 {
			return fmt.Errorf("%q is no part of the time: write percentages from 1%% to 99%%, such as 50%%,90%%", part)
		}
		*f = append(*f, Fraction(percent))
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (f Fractions) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

func (f Fractions) String() string {
	parts := make([]string, len(f))
	for i, part := range f {
		parts[i] = part.String()
	}
	return strings.Join(parts, ",")
}

// Addresses are the texts that Parse reads receivers from.
type Addresses struct {
	WebhookURL string
	// Secrets is the content of the file with the secrets of the webhook.
	Secrets string
	// Chats is the content of the file with the other addresses.
	Chats string
}

// Parse checks the settings and makes the receivers. Its errors name the setting and the line, and hold no secret.
func (s *Settings) Parse(a Addresses) error {
	if err := checkOrigin(s.ExternalURL); err != nil {
		return err
	}
	s.targets = nil
	if a.WebhookURL != "" {
		hook, err := newWebhook(a.WebhookURL, listLines(a.Secrets))
		if err != nil {
			return err
		}
		s.targets = append(s.targets, target{"webhook-1", "webhook", hook})
	}
	numbers := map[string]int{}
	for _, l := range listLines(a.Chats) {
		chats, err := newChats(l.text)
		if err != nil {
			return fmt.Errorf("CERTCTL_NOTIFY_URLS_FILE: line %d %w", l.number, err)
		}
		for _, c := range chats {
			numbers[c.kind]++
			s.targets = append(s.targets, target{fmt.Sprintf("%s-%d", c.kind, numbers[c.kind]), c.kind, c})
		}
	}
	if len(s.targets) > 0 && s.ExternalURL == "" {
		return errors.New("CERTCTL_EXTERNAL_URL is required with receivers of messages: every message links to the server")
	}
	return nil
}

// checkOrigin checks the address where people reach the server.
func checkOrigin(origin string) error {
	if origin == "" {
		return nil
	}
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("CERTCTL_EXTERNAL_URL is no origin: write https://host or https://host:port, and nothing after it")
	case !isPrivate(u):
		return errors.New("CERTCTL_EXTERNAL_URL must begin with https://; http is for loopback alone")
	}
	return nil
}

// line is a line of a file.
type line struct {
	number int
	text   string
}

// listLines returns the lines of a file that are neither empty nor comments.
func listLines(content string) []line {
	var lines []line
	number := 0
	for text := range strings.Lines(content) {
		number++
		if text = strings.TrimSpace(text); text != "" && !strings.HasPrefix(text, "#") {
			lines = append(lines, line{number, text})
		}
	}
	return lines
}
