-- +goose Up
-- Until when an issuer that fails is tried again. NULL before the job is pending, and for jobs from before this migration.
ALTER TABLE jobs ADD COLUMN issue_by timestamp;

-- Live certificates that the scheduler could not renew when it looked last. A row is deleted once the renewal is possible.
CREATE TABLE blocked_renewals (
    certificate_uid text PRIMARY KEY REFERENCES certificates (uid),
    profile_id      text NOT NULL,
    reason          text NOT NULL,
    detail          text NOT NULL,
    since           timestamp NOT NULL
);
CREATE INDEX blocked_renewals_profile ON blocked_renewals (profile_id, reason);

-- What an edit would do to jobs and certificates, counted when it was requested.
ALTER TABLE approvals ADD COLUMN effects text;
-- +goose StatementBegin
CREATE TRIGGER approvals_effects BEFORE UPDATE ON approvals WHEN NEW.effects IS NOT OLD.effects
BEGIN
    SELECT RAISE(ABORT, 'what an approval is about cannot change');
END;
-- +goose StatementEnd
