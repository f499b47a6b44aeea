-- +goose Up
-- People who are signed in to the console. A session belongs to a key and ends with it.
CREATE TABLE sessions (
    token_sha256 text PRIMARY KEY,
    key_id       text NOT NULL REFERENCES keys (id),
    draft_path   text NOT NULL, -- the page that a note was written on when the session before ended; empty for none
    draft_note   text NOT NULL,
    created_at   timestamp NOT NULL,
    used_at      timestamp NOT NULL,
    expires_at   timestamp NOT NULL
);
CREATE INDEX sessions_used ON sessions (used_at);

-- The console lists what waits because of one person.
CREATE INDEX approvals_pending_accountable ON approvals (accountable, created_at, id) WHERE state = 'pending';
