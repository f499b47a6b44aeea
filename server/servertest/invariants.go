package servertest

import (
	"context"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Invariants hold at every moment, on both databases. Each query returns the ids of the rows that break the invariant.
var Invariants = []struct{ Name, Query string }{
	{"a decided approval has a decider and a time; a cancelled approval has a closer and a cause", `
		SELECT id FROM approvals WHERE (state IN ('pending', 'cancelled')) <> (decided_by IS NULL) OR (decided_by IS NULL) <> (decided_at IS NULL)
			OR (state = 'cancelled') <> (closed_by IS NOT NULL) OR (closed_by IS NULL) <> (closed_at IS NULL)
			OR (state IN ('expired', 'cancelled')) <> (cause IS NOT NULL)`},
	{"a job that ended without a certificate says why", `
		SELECT id FROM jobs WHERE (status IN ('Failed', 'Cancelled')) <> (cause IS NOT NULL)`},
	{"a job whose request ended has its cause", `
		SELECT j.id FROM jobs j JOIN approvals a ON a.id = j.approval_id WHERE a.cause IS NOT NULL AND a.cause <> j.cause
			OR a.state = 'rejected' AND j.cause <> 'approval_rejected'`},
	{"no excluded person decided a request", `
		SELECT id FROM approvals WHERE state IN ('approved', 'rejected')
			AND (decided_by IN (accountable, requested_by) OR replace(excluded, '"' || decided_by || '"', '') <> excluded)`},
	{"nobody decided over a name or key that they wrote since a human approved last, unless the requester stood for them", `
		WITH requests AS (SELECT a.id, a.certificate_uid, a.decided_by, a.created_at, a.subject, COALESCE((SELECT max(l.certificate_version)
				FROM leaves l JOIN jobs j ON j.id = l.job_id JOIN approvals b ON b.id = j.approval_id
				WHERE l.certificate_uid = a.certificate_uid AND l.created_at <= a.created_at
					AND b.state = 'approved' AND b.decided_by NOT LIKE 'system-%'), 0) AS base
			FROM approvals a WHERE a.kind = 'issuance' AND a.state IN ('approved', 'rejected') AND a.decided_by NOT LIKE 'system-%'
				AND replace(a.stands_for, '"' || a.decided_by || '"', '') = a.stands_for)
		SELECT r.id FROM requests r JOIN certificate_changes c ON c.certificate_uid = r.certificate_uid AND c.accountable = r.decided_by
				AND c.version > r.base AND c.changed_at <= r.created_at
			WHERE (c.field <> 'key' OR replace(r.subject, (SELECT k.value FROM certificate_changes k WHERE k.certificate_uid = r.certificate_uid
					AND k.field = 'key' AND k.changed_at <= r.created_at ORDER BY k.version DESC LIMIT 1), '') <> r.subject)
				AND NOT EXISTS (SELECT 1 FROM certificate_changes back WHERE back.certificate_uid = r.certificate_uid AND back.field = c.field
					AND back.version >= c.version AND back.changed_at <= r.created_at AND back.value = (SELECT b.value FROM certificate_changes b
						WHERE b.certificate_uid = r.certificate_uid AND b.field = c.field AND b.version <= r.base ORDER BY b.version DESC LIMIT 1))`},
	{"nobody decided over a rule that they changed and no human approved, unless the requester stood for them", `
		WITH requests AS (SELECT a.id, a.profile_id, a.decided_by, a.created_at, COALESCE((SELECT max(i.profile_version)
				FROM intents i JOIN leaves l ON l.job_id = i.job_id JOIN approvals b ON b.job_id = i.job_id
				WHERE b.profile_id = a.profile_id AND b.created_at >= p.created_at AND l.created_at <= a.created_at
					AND b.state = 'approved' AND b.decided_by NOT LIKE 'system-%'), 1) AS base,
				COALESCE((SELECT i.profile_version FROM leaves l JOIN intents i ON i.job_id = l.job_id JOIN approvals b ON b.job_id = l.job_id
					WHERE l.certificate_uid = a.certificate_uid AND l.created_at <= a.created_at AND b.state = 'approved' AND b.decided_by NOT LIKE 'system-%'
					ORDER BY l.certificate_version DESC, l.created_at DESC LIMIT 1), 1) AS own
			FROM approvals a JOIN profiles p ON p.id = a.profile_id AND p.created_at <= a.created_at
			WHERE a.kind = 'issuance' AND a.state IN ('approved', 'rejected') AND a.decided_by NOT LIKE 'system-%'
				AND replace(a.stands_for, '"' || a.decided_by || '"', '') = a.stands_for)
		SELECT r.id FROM requests r JOIN profile_changes c ON c.profile_id = r.profile_id AND c.accountable = r.decided_by
				AND c.approved_by IS NULL AND c.version > r.base AND c.changed_at <= r.created_at
			WHERE NOT EXISTS (SELECT 1 FROM profile_changes back WHERE back.profile_id = r.profile_id AND back.field = c.field
				AND back.version >= c.version AND back.changed_at <= r.created_at
				AND (back.approved_by IS NOT NULL OR back.value = (SELECT b.value FROM profile_changes b
					WHERE b.profile_id = r.profile_id AND b.field = c.field AND b.version <= r.base ORDER BY b.version DESC LIMIT 1)
				OR back.value = (SELECT b.value FROM profile_changes b
					WHERE b.profile_id = r.profile_id AND b.field = c.field AND b.version <= r.own ORDER BY b.version DESC LIMIT 1)))`},
	{"only a person approves or rejects", `
		SELECT a.id FROM approvals a LEFT JOIN principals p ON p.id = a.decided_by
			WHERE a.state IN ('approved', 'rejected') AND (p.kind IS NULL OR p.kind <> 'human') AND a.decided_by <> 'system-bypass'`},
	{"an approval by the bypass has its audit row", `
		SELECT a.id FROM approvals a WHERE a.decided_by = 'system-bypass' AND (a.state <> 'approved' OR 1 <> (SELECT count(*)
			FROM audit_events e WHERE e.resource_id = a.id AND e.action = 'approval_bypassed' AND e.actor = 'system-bypass' AND e.actor_type = 'System'))`},
	{"a decision came before its deadline", `
		SELECT id FROM approvals WHERE state IN ('approved', 'rejected') AND decided_at >= expires_at`},
	{"an issuance approval and its job name each other", `
		SELECT a.id FROM approvals a LEFT JOIN jobs j ON j.id = a.job_id AND j.approval_id = a.id AND j.digest = a.digest AND j.subject = a.subject
			WHERE a.kind = 'issuance' AND j.id IS NULL`},
	{"a job with an approval waits while the approval is pending", `
		SELECT j.id FROM jobs j JOIN approvals a ON a.id = j.approval_id WHERE (a.state = 'pending') <> (j.status = 'AwaitingApproval')`},
	{"a job whose approval was rejected, expired or cancelled is cancelled", `
		SELECT j.id FROM jobs j JOIN approvals a ON a.id = j.approval_id
			WHERE a.state IN ('rejected', 'expired', 'cancelled') AND j.status <> 'Cancelled'`},
	{"the job of an expired approval has its message", `
		SELECT j.id FROM jobs j JOIN approvals a ON a.id = j.approval_id WHERE a.state = 'expired' AND j.error_message <> 'approval expired'`},
	{"an intent of a job with an approval is for the approved digest", `
		SELECT i.job_id FROM intents i JOIN jobs j ON j.id = i.job_id LEFT JOIN approvals a ON a.id = j.approval_id
			WHERE i.digest <> j.digest OR (j.approval_id IS NOT NULL AND (a.state <> 'approved' OR a.digest <> i.digest))`},
	{"an intent names the generation of its issuer that has the fingerprint", `
		SELECT i.job_id FROM intents i LEFT JOIN issuers g ON g.id = i.issuer_id AND g.generation = i.issuer_generation
			WHERE g.id IS NULL OR g.fingerprint_sha256 <> i.issuer_fingerprint_sha256`},
	{"every leaf has an intent and a completed job", `
		SELECT l.serial_number FROM leaves l LEFT JOIN intents i ON i.job_id = l.job_id AND i.serial_number = l.serial_number
			LEFT JOIN jobs j ON j.id = l.job_id AND j.serial_number = l.serial_number AND j.status = 'Completed'
			WHERE i.job_id IS NULL OR j.id IS NULL`},
	{"a leaf has the key of its job's subject, and of the approval if there is one", `
		SELECT l.serial_number FROM leaves l JOIN jobs j ON j.id = l.job_id LEFT JOIN approvals a ON a.id = j.approval_id
			WHERE j.subject NOT LIKE '%"' || l.spki_sha256 || '"%' OR (a.id IS NOT NULL AND (a.subject <> j.subject OR a.state <> 'approved'))`},
	{"nobody who is disabled has an open request", `
		SELECT a.id FROM approvals a JOIN principals p ON p.id IN (a.accountable, a.requested_by) WHERE a.state = 'pending' AND p.disabled_at IS NOT NULL`},
	{"nobody who is disabled has a key", `
		SELECT k.id FROM keys k JOIN principals p ON p.id = k.principal_id WHERE p.disabled_at IS NOT NULL AND k.revoked_at IS NULL`},
	{"the owner of a service is accountable for its open requests", `
		SELECT a.id FROM approvals a JOIN principals p ON p.id = a.requested_by WHERE a.state = 'pending' AND p.owner <> a.accountable`},
	{"every completed job has a leaf", `
		SELECT j.id FROM jobs j LEFT JOIN leaves l ON l.job_id = j.id WHERE j.status = 'Completed' AND l.job_id IS NULL`},
	{"a certificate has one open job", `
		SELECT certificate_uid FROM jobs WHERE status IN ('AwaitingApproval', 'Pending', 'Running') GROUP BY certificate_uid HAVING count(*) > 1`},
	{"the current leaf of a certificate is its newest", `
		SELECT c.uid FROM certificates c LEFT JOIN leaves l ON l.serial_number = c.current_serial AND l.certificate_uid = c.uid
			WHERE (c.current_serial IS NOT NULL AND l.serial_number IS NULL)
			OR EXISTS (SELECT 1 FROM leaves newer WHERE newer.certificate_uid = c.uid AND newer.created_at > l.created_at)
			OR (c.current_serial IS NULL AND EXISTS (SELECT 1 FROM leaves x WHERE x.certificate_uid = c.uid))`},
	{"an archived certificate has no open job", `
		SELECT c.uid FROM certificates c JOIN jobs j ON j.certificate_uid = c.uid
			WHERE c.archived_at IS NOT NULL AND j.status IN ('AwaitingApproval', 'Pending', 'Running')`},
	{"every approval has one audit row of its request", `
		SELECT a.id FROM approvals a WHERE 1 <> (SELECT count(*) FROM audit_events e
			WHERE e.resource_id = a.id AND e.action = 'approval_requested' AND e.actor = a.requested_by)`},
	{"every end of an approval has one audit row, with its actor", `
		SELECT a.id FROM approvals a WHERE a.state <> 'pending' AND 1 <> (SELECT count(*) FROM audit_events e
			WHERE e.resource_id = a.id AND e.actor = COALESCE(a.decided_by, a.closed_by) AND (e.action = 'approval_' || a.state
				OR (a.state = 'cancelled' AND e.action = 'approval_withdrawn')
				OR (a.decided_by = 'system-bypass' AND e.action = 'approval_bypassed')))`},
	{"the audit trail has no decision that was not made", `
		SELECT e.id FROM audit_events e JOIN approvals a ON a.id = e.resource_id
			WHERE e.action IN ('approval_approved', 'approval_rejected', 'approval_expired') AND e.action <> 'approval_' || a.state`},
	{"every receiver has a message about every request that was made since it is one, until the messages are deleted", `
		SELECT a.id FROM approvals a JOIN receivers r ON r.since < a.created_at
			WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.about = a.id AND o.receiver = r.name)
				AND EXISTS (SELECT 1 FROM outbox o WHERE o.receiver = r.name AND o.created_at <= a.created_at)`},
	{"a request that ended without the bypass has a message about its end, like the one about its begin", `
		SELECT a.id FROM approvals a JOIN outbox o ON o.about = a.id AND o.type = 'approval.requested' WHERE a.state <> 'pending'
			AND 1 <> (SELECT count(*) FROM outbox e WHERE e.about = a.id AND e.receiver = o.receiver AND e.type = 'approval.' || a.state)`},
	{"a message that another one carries has the state of that one", `
		SELECT o.id FROM outbox o JOIN outbox l ON l.id = o.leader AND l.receiver = o.receiver WHERE o.state <> l.state`},
	{"every leaf and every intent has one audit row", `
		SELECT i.job_id FROM intents i WHERE 1 <> (SELECT count(*) FROM audit_events e
			WHERE e.resource_id = i.job_id AND e.action = 'issuance_admitted')
		UNION ALL SELECT l.serial_number FROM leaves l JOIN certificates c ON c.uid = l.certificate_uid
			WHERE 1 <> (SELECT count(*) FROM audit_events e WHERE e.resource_id = c.id AND e.action = 'certificate_issued'
				AND e.details LIKE '%"' || l.serial_number || '"%')`},
}

// CheckInvariants fails the test for each invariant that does not hold.
func CheckInvariants(t testing.TB, db *store.Store) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		for _, invariant := range Invariants {
			var broken []string
			if err := tx.DB.Raw(invariant.Query).Scan(&broken).Error; err != nil {
				return err
			}
			if len(broken) > 0 {
				t.Errorf("invariant %q does not hold for %v", invariant.Name, broken)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("check the invariants: %v", err)
	}
}
