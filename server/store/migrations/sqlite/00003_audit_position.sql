-- Followers of the audit trail read it in the order of position. Writers are alone, so the order of the inserts is the
-- order of the commits. position is the row's own number: SQLite sets it, also for programs that do not know the column.

-- +goose Up
CREATE TABLE audit_events_new (
    position      integer PRIMARY KEY,
    id            text NOT NULL UNIQUE,
    occurred_at   timestamp NOT NULL,
    actor         text NOT NULL,
    actor_type    text NOT NULL CHECK (actor_type IN ('User', 'Service', 'System')),
    action        text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    request_id    text NOT NULL,
    details       text NOT NULL
);
INSERT INTO audit_events_new (id, occurred_at, actor, actor_type, action, resource_type, resource_id, request_id, details)
    SELECT id, occurred_at, actor, actor_type, action, resource_type, resource_id, request_id, details FROM audit_events ORDER BY occurred_at, id;
DROP TABLE audit_events; -- with its indexes and triggers; this fires none of them
ALTER TABLE audit_events_new RENAME TO audit_events;

CREATE INDEX audit_occurred ON audit_events (occurred_at, id);
CREATE INDEX audit_actor ON audit_events (actor, occurred_at, id);
CREATE INDEX audit_action ON audit_events (action, occurred_at, id);
CREATE INDEX audit_resource ON audit_events (resource_id, occurred_at, id);

-- +goose StatementBegin
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on audit_events is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'DELETE on audit_events is refused');
END;
-- +goose StatementEnd
-- INSERT OR REPLACE deletes the row in its way without asking the triggers above, so no row may be in its way.
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id OR position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on audit_events is refused');
END;
-- +goose StatementEnd
