-- Followers of the audit trail read it in the order of position, id. A time is no such order: a transaction that began
-- early may commit late.
--
-- position is the id of the transaction, and above its 48 bits a generation. Every event below the oldest running
-- transaction is committed, so a reader that stops there misses none. Events from before this migration have position 0,
-- and their ids sort by time. Older programs need not know the column: a trigger sets it.

-- +goose Up
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
SET LOCAL statement_timeout = 0; -- the index of a long trail takes its time

ALTER TABLE audit_events ADD COLUMN position bigint NOT NULL DEFAULT 0; -- a constant: no row is written
ALTER TABLE audit_events ALTER COLUMN position DROP DEFAULT;
CREATE INDEX audit_position ON audit_events (position, id);

-- audit_generation is the generation of the next event. After a dump is restored in another cluster, transaction ids may
-- begin again below those of the restored events. A visible event of a transaction that this cluster has not begun is such
-- an event. Then the next generation begins, so that new events still come after all restored ones.
-- +goose StatementBegin
CREATE FUNCTION audit_generation() RETURNS bigint LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT COALESCE((
        SELECT (newest.position >> 48) + CASE
            WHEN newest.xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN 0
            WHEN newest.xid = pg_current_xact_id_if_assigned()::text::bigint THEN 0
            ELSE 1 END
        FROM (SELECT e.position, e.position & ((1::bigint << 48) - 1) AS xid FROM audit_events e ORDER BY e.position DESC, e.id DESC LIMIT 1) newest), 0)
$$;
-- +goose StatementEnd

-- No writer chooses the position: an event below the followers' positions would never be seen.
-- +goose StatementBegin
CREATE FUNCTION place_audit_event() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.position := (audit_generation() << 48) | pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_place BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION place_audit_event();
