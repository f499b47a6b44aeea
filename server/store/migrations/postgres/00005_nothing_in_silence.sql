-- +goose Up
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
