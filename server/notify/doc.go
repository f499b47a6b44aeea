// Package notify delivers the messages of the outbox: to a webhook as signed JSON, to chats and mail as text.
//
// A message tells people that something waits, and links to the console. It decides nothing, carries no free text of users,
// and contains no name that a client would make a link of. See safe.go.
//
// Each receiver has a worker of its own in each process. Messages are delivered at least once, with a constant id. The
// package also writes the messages that time brings: reminders, and certificates that expire.
package notify
