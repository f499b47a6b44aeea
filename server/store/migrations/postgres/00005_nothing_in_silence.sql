-- +goose Up
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Until when an issuer that fails is tried again. NULL before the job is pending, and for jobs from before this migration.
ALTER TABLE jobs ADD COLUMN issue_by timestamptz;

-- Live certificates that the scheduler could not renew when it looked last. A row is deleted once the renewal is possible.
CREATE TABLE blocked_renewals (
    certificate_uid text PRIMARY KEY REFERENCES certificates (uid),
    profile_id      text NOT NULL,
    reason          text NOT NULL,
    detail          text NOT NULL,
    since           timestamptz NOT NULL
);
CREATE INDEX blocked_renewals_profile ON blocked_renewals (profile_id, reason);

-- What an edit would do to jobs and certificates, counted when it was requested.
ALTER TABLE approvals ADD COLUMN effects text;
-- +goose StatementBegin
CREATE FUNCTION guard_approval_effects() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'what approval % is about cannot change', OLD.id;
END $$;
-- +goose StatementEnd
CREATE TRIGGER approvals_effects BEFORE UPDATE ON approvals FOR EACH ROW WHEN (NEW.effects IS DISTINCT FROM OLD.effects) EXECUTE FUNCTION guard_approval_effects();
