// Package outbox owns the messages to send: one row for each message and receiver, written in the transaction of what the
// message tells.
//
// A receiver is an address that some server delivers to. Every process writes messages for every registered receiver, also a
// process that delivers nothing itself. Without a receiver nothing is written.
//
// A message is pending until it is delivered, dropped or, a day after it was written, failed. A claim moves due_at to the
// end of its lease and increments fence; every later write of the claim checks fence. So a message whose deliverer dies is
// due again by itself. Each receiver has rows of its own, so one that fails delays no other. The rows are locked last.
package outbox
