package approval

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// finalMessages are the messages about the final states.
var finalMessages = map[api.ApprovalState]outbox.Type{
	api.ApprovalApproved:  outbox.ApprovalApproved,
	api.ApprovalRejected:  outbox.ApprovalRejected,
	api.ApprovalExpired:   outbox.ApprovalExpired,
	api.ApprovalCancelled: outbox.ApprovalCancelled,
}

// AppendMessage adds a message about the approval to the outbox.
func AppendMessage(tx *store.Tx, a Approval, t outbox.Type, data any) error {
	return outbox.Append(tx, outbox.Message{
		Type: t, About: a.ID, Topic: a.Accountable, MayGather: !a.asksForNewNames(t), Data: data,
	})
}

// asksForNewNames reports whether a message asks a person to decide over a name that no human approved before for this
// certificate. Such a message is never gathered with others, nor is one about the edit of a profile.
func (a Approval) asksForNewNames(t outbox.Type) bool {
	if t != outbox.ApprovalRequested && t != outbox.ApprovalReminder {
		return false
	}
	c := store.Value(a.Context)
	return c == nil || len(c.NamesAdded) > 0 || slices.ContainsFunc(c.OtherChanges, func(c api.Change) bool { return c.Pointer == "/common_name" })
}
