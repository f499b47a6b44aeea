-- +goose Up
-- Where messages go: one row for each address that some server of this database delivers to. since is when the address
-- was first seen: it gets the messages from then on. seen_at says that a server still delivers to it.
CREATE TABLE receivers (
    name    text PRIMARY KEY,
    since   timestamp NOT NULL,
    seen_at timestamp NOT NULL
);

-- Messages to deliver: one row for each message and receiver, written in the transaction of what the message tells.
-- due_at is when the next delivery may begin: a claim moves it to the end of its lease. topic counts and gathers what
-- belongs together. gathered is waiting while a message waits for others of its topic, and sealed once it carries them;
-- leader is the message that carries this one.
CREATE TABLE outbox (
    id         text NOT NULL,
    receiver   text NOT NULL,
    type       text NOT NULL,
    about      text NOT NULL,
    topic      text NOT NULL,
    may_gather boolean NOT NULL,
    gathered   text NOT NULL CHECK (gathered IN ('', 'waiting', 'sealed')),
    leader     text,
    data       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('pending', 'delivered', 'dropped', 'failed')),
    attempt    integer NOT NULL CHECK (attempt >= 0),
    fence      bigint NOT NULL CHECK (fence >= 0),
    last_error text NOT NULL,
    created_at timestamp NOT NULL,
    due_at     timestamp NOT NULL,
    ended_at   timestamp,
    PRIMARY KEY (id, receiver),
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    CHECK (may_gather OR gathered = ''),
    CHECK (leader IS NULL OR (gathered = 'waiting' AND leader <> id))
);
CREATE INDEX outbox_due ON outbox (receiver, due_at, id) WHERE state = 'pending' AND leader IS NULL;
CREATE INDEX outbox_pending ON outbox (created_at) WHERE state = 'pending';
CREATE INDEX outbox_topic ON outbox (receiver, topic, created_at);
CREATE INDEX outbox_leader ON outbox (leader) WHERE leader IS NOT NULL;
CREATE INDEX outbox_about ON outbox (about);
CREATE INDEX outbox_ended ON outbox (state, ended_at) WHERE state <> 'pending';

-- What was told already, so that no replica tells it twice. A row may be deleted after its time.
CREATE TABLE notices (
    key   text PRIMARY KEY,
    until timestamp NOT NULL
);
CREATE INDEX notices_until ON notices (until);
