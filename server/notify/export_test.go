package notify

import "testing"

// StartSlack stands for Slack in a test of a whole server. It replaces the default transport, so the test must not be
// parallel. next waits for the body of the next message.
func StartSlack(t *testing.T) (address string, next func() string) {
	t.Helper()
	c := startChatServer(t)
	return slackAddress, func() string { return (<-c.got).Body }
}

// StartMailbox starts a mail server for a test of a whole server. next waits for the next mail, with its recipient before it.
func StartMailbox(t *testing.T) (address string, next func() string) {
	t.Helper()
	box, host := startMailbox(t)
	return "smtp://" + host + "/?from=certctl@example.com&to=team@example.com&auth=none", func() string { return <-box.mails }
}
