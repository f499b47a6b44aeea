-- +goose Up
CREATE TABLE principals (
    id          text PRIMARY KEY CHECK (id GLOB '[a-z]*' AND id NOT GLOB '*[^a-z0-9._-]*' AND length(id) <= 63 AND id NOT LIKE 'system-%'),
    kind        text NOT NULL CHECK (kind IN ('human', 'service')),
    owner       text REFERENCES principals (id),
    roles       text NOT NULL,
    disabled_at timestamp,
    created_at  timestamp NOT NULL,
    updated_at  timestamp NOT NULL,
    CHECK ((kind = 'service') = (owner IS NOT NULL)),
    CHECK (kind = 'human' OR instr(roles, '"approver"') = 0)
);

CREATE INDEX principals_created ON principals (created_at, id);

CREATE TABLE keys (
    id            text PRIMARY KEY,
    principal_id  text NOT NULL REFERENCES principals (id),
    name          text NOT NULL,
    secret_sha256 text NOT NULL,
    created_at    timestamp NOT NULL,
    expires_at    timestamp,
    revoked_at    timestamp
);
CREATE INDEX keys_principal ON keys (principal_id);

-- Who took over what somebody was accountable for until then: the scheduler asks in the name of the successor.
CREATE TABLE handovers (
    from_id   text NOT NULL REFERENCES principals (id),
    to_id     text NOT NULL REFERENCES principals (id),
    handed_at timestamp NOT NULL,
    PRIMARY KEY (from_id, handed_at),
    CHECK (from_id <> to_id)
);

CREATE TABLE profiles (
    id                text PRIMARY KEY,
    spec              text NOT NULL,
    name              text NOT NULL GENERATED ALWAYS AS (json_extract(spec, '$.name')) STORED,
    requires_approval boolean NOT NULL GENERATED ALWAYS AS (json_extract(spec, '$.requires_approval')) STORED,
    enabled           boolean NOT NULL GENERATED ALWAYS AS (json_extract(spec, '$.enabled')) STORED,
    version           integer NOT NULL CHECK (version > 0),
    rules_version     integer NOT NULL CHECK (rules_version > 0 AND rules_version <= version), -- the version that changed more than description and labels
    created_at        timestamp NOT NULL,
    updated_at        timestamp NOT NULL
);
CREATE UNIQUE INDEX profiles_name ON profiles (name);
CREATE INDEX profiles_created ON profiles (created_at, id);

-- What may be signed without a human's approval: one row. A new database allows all.
CREATE TABLE ungated_names (
    id         integer PRIMARY KEY CHECK (id = 1),
    allow_all  boolean NOT NULL,
    spec       text NOT NULL,
    updated_at timestamp NOT NULL
);
INSERT INTO ungated_names (id, allow_all, spec, updated_at) VALUES (1, true,
    '{"allowed_dns_names":[],"allowed_ip_ranges":[],"allowed_uris":[],"allowed_email_domains":[],"allowed_ekus":[]}', strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'));

-- A certificate's uid is its own for ever; its id is free again once it is archived.
CREATE TABLE certificates (
    uid            text PRIMARY KEY,
    id             text NOT NULL,
    spec           text NOT NULL,
    profile_id     text NOT NULL GENERATED ALWAYS AS (json_extract(spec, '$.profile_id')) STORED,
    common_name    text NOT NULL GENERATED ALWAYS AS (json_extract(spec, '$.common_name')) STORED,
    spki_sha256    text NOT NULL,
    auto_renew     boolean NOT NULL GENERATED ALWAYS AS (json_extract(spec, '$.auto_renew')) STORED,
    version        integer NOT NULL CHECK (version > 0),
    current_serial text,
    not_after      timestamp,
    renew_at       timestamp,
    archived_at    timestamp,
    created_at     timestamp NOT NULL,
    updated_at     timestamp NOT NULL
);
CREATE UNIQUE INDEX certificates_live ON certificates (id) WHERE archived_at IS NULL;
CREATE INDEX certificates_created ON certificates (created_at, uid) WHERE archived_at IS NULL;
CREATE INDEX certificates_archived ON certificates (created_at, uid) WHERE archived_at IS NOT NULL;
CREATE INDEX certificates_profile ON certificates (profile_id, created_at, uid) WHERE archived_at IS NULL;
CREATE INDEX certificates_common_name ON certificates (common_name, created_at, uid) WHERE archived_at IS NULL;
CREATE INDEX certificates_due ON certificates (renew_at, uid) WHERE archived_at IS NULL AND auto_renew;
CREATE INDEX certificates_not_after ON certificates (not_after) WHERE archived_at IS NULL;

CREATE INDEX certificates_spki ON certificates (spki_sha256);

-- The sans of each certificate. parent is what follows the first label of a DNS name: a wildcard covers its children.
CREATE TABLE certificate_names (
    certificate_uid text NOT NULL REFERENCES certificates (uid),
    name            text NOT NULL,
    parent          text NOT NULL,
    PRIMARY KEY (certificate_uid, name)
);
CREATE INDEX certificate_names_name ON certificate_names (name);
CREATE INDEX certificate_names_parent ON certificate_names (parent) WHERE parent <> '';

-- Who wrote each field that gets signed: one row for each signed field that a version changed. The authors of what no
-- human has approved may not approve it.
CREATE TABLE profile_changes (
    profile_id   text NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    version      integer NOT NULL,
    field        text NOT NULL,
    value        text NOT NULL, -- canonical JSON
    principal    text NOT NULL,
    accountable  text NOT NULL,
    approved_by  text, -- the human who approved the edit
    changed_at   timestamp NOT NULL,
    PRIMARY KEY (profile_id, version, field)
);
CREATE TABLE certificate_changes (
    certificate_uid text NOT NULL REFERENCES certificates (uid),
    version         integer NOT NULL,
    field           text NOT NULL,
    value           text NOT NULL, -- canonical JSON
    principal       text NOT NULL,
    accountable     text NOT NULL,
    changed_at      timestamp NOT NULL,
    PRIMARY KEY (certificate_uid, version, field)
);

CREATE TABLE approvals (
    id                   text PRIMARY KEY,
    kind                 text NOT NULL,
    state                text NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
    profile_id           text, -- of an issuance and of an edit, with the profile's name then
    profile_name         text,
    certificate_id       text,
    certificate_uid      text REFERENCES certificates (uid),
    job_id               text UNIQUE,
    requested_by         text NOT NULL,
    accountable          text NOT NULL,
    excluded             text NOT NULL,
    reason               text NOT NULL,
    also_excluded        text NOT NULL,
    stands_for           text NOT NULL,
    previous_approval_id text REFERENCES approvals (id),
    previous             text,
    rejections           text NOT NULL,
    context              text,
    csr_ignored          text NOT NULL,
    subject              text NOT NULL,
    digest               text NOT NULL CHECK (digest LIKE 'sha256:%'),
    expires_at           timestamp NOT NULL,
    decided_by           text,
    decided_at           timestamp,
    note                 text NOT NULL,
    cause                text,
    closed_by            text,
    closed_at            timestamp,
    created_at           timestamp NOT NULL,
    updated_at           timestamp NOT NULL,
    CHECK (instr(excluded, '"' || accountable || '"') > 0),
    CHECK ((state IN ('approved', 'rejected', 'expired')) = (decided_by IS NOT NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CHECK ((state = 'cancelled') = (closed_by IS NOT NULL)),
    CHECK ((closed_by IS NULL) = (closed_at IS NULL)),
    CHECK ((state IN ('expired', 'cancelled')) = (cause IS NOT NULL)),
    -- Two people: whoever decided is none of those who stand behind the request.
    CHECK (state NOT IN ('approved', 'rejected')
        OR (decided_by <> accountable AND decided_by <> requested_by AND instr(excluded, '"' || decided_by || '"') = 0)),
    CHECK (state NOT IN ('approved', 'rejected') OR decided_at < expires_at),
    -- A decision comes after its request, but for the clocks of two servers, each at most two seconds off the database's.
    CHECK (decided_at IS NULL OR julianday(decided_at) >= julianday(created_at) - 5.001 / 86400)
);
CREATE INDEX approvals_state ON approvals (state, created_at, id);
CREATE UNIQUE INDEX approvals_one_waiting_edit ON approvals (profile_id) WHERE kind = 'profile_edit' AND state = 'pending';
CREATE INDEX approvals_created ON approvals (created_at, id);
CREATE INDEX approvals_profile ON approvals (profile_id, created_at, id);
CREATE INDEX approvals_certificate ON approvals (certificate_uid, created_at, id);
CREATE INDEX approvals_requester ON approvals (requested_by, created_at, id);
-- What waits is a small or a large part of all requests. The program asks for it by the literal 'pending', so that these
-- indexes fit its prepared statements too.
CREATE INDEX approvals_pending ON approvals (created_at, id) WHERE state = 'pending';
CREATE INDEX approvals_pending_expiry ON approvals (expires_at, id) WHERE state = 'pending';
CREATE INDEX approvals_pending_profile ON approvals (kind, profile_id) WHERE state = 'pending';
CREATE INDEX approvals_decider ON approvals (decided_by, created_at, id);
CREATE INDEX approvals_expiry ON approvals (expires_at, id);
CREATE INDEX approvals_deadline ON approvals (state, expires_at, id);

-- The names that a request would have signed, to find rejected ones.
CREATE TABLE approval_names (
    approval_id text NOT NULL REFERENCES approvals (id),
    name        text NOT NULL,
    PRIMARY KEY (approval_id, name)
);
CREATE INDEX approval_names_name ON approval_names (name);

-- A waiting edit as it was sent, and the profile as it was then; the approval's subject has its sets sorted. Sent again
-- with other labels or another description, it gets another row: the newest one counts.
CREATE TABLE profile_edits (
    approval_id text NOT NULL REFERENCES approvals (id),
    number      integer NOT NULL,
    spec        text NOT NULL,
    base        text NOT NULL,
    PRIMARY KEY (approval_id, number)
);

CREATE TABLE jobs (
    id              text PRIMARY KEY,
    type            text NOT NULL,
    certificate_uid text NOT NULL REFERENCES certificates (uid),
    certificate_id  text NOT NULL,
    profile_id      text NOT NULL,
    approval_id     text UNIQUE REFERENCES approvals (id),
    status          text NOT NULL CHECK (status IN ('AwaitingApproval', 'Pending', 'Running', 'Completed', 'Failed', 'Cancelled')),
    attempt         integer NOT NULL CHECK (attempt >= 0),
    fence           integer NOT NULL CHECK (fence >= 0),
    lease_until     timestamp,
    cause           text,
    error_message   text NOT NULL,
    requested_by    text NOT NULL,
    accountable     text NOT NULL,
    csr_pem         text NOT NULL,
    own_csr         boolean NOT NULL, -- the request came with the renewal, and becomes the certificate's
    subject         text NOT NULL,
    digest          text NOT NULL,
    run_at          timestamp NOT NULL,
    started_at      timestamp,
    finished_at     timestamp,
    serial_number   text,
    created_at      timestamp NOT NULL,
    updated_at      timestamp NOT NULL,
    CHECK (status <> 'AwaitingApproval' OR approval_id IS NOT NULL),
    CHECK ((status = 'Running') = (lease_until IS NOT NULL)),
    CHECK ((status IN ('Completed', 'Failed', 'Cancelled')) = (finished_at IS NOT NULL)),
    CHECK (status = 'Completed' OR serial_number IS NULL),
    CHECK ((status IN ('Failed', 'Cancelled')) = (cause IS NOT NULL))
);
CREATE UNIQUE INDEX jobs_one_open ON jobs (certificate_uid) WHERE status IN ('AwaitingApproval', 'Pending', 'Running');
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE status = 'Pending';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE status = 'Running';
CREATE INDEX jobs_certificate ON jobs (certificate_uid, created_at, id);
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_status ON jobs (status, created_at, id);
CREATE INDEX jobs_type ON jobs (type, created_at, id);

-- The certificate that each issuer signs with. The highest generation is in use; ca replace adds one.
CREATE TABLE issuers (
    id                 text NOT NULL,
    generation         integer NOT NULL CHECK (generation > 0),
    fingerprint_sha256 text NOT NULL CHECK (length(fingerprint_sha256) = 64 AND fingerprint_sha256 NOT GLOB '*[^0-9a-f]*'),
    created_at         timestamp NOT NULL,
    PRIMARY KEY (id, generation)
);

-- What was signed by older rules would undo newer ones: a program with a lower version neither signs nor writes.
CREATE TABLE schema_requirements (
    id          integer PRIMARY KEY CHECK (id = 1),
    min_program integer NOT NULL CHECK (min_program > 0),
    init        integer NOT NULL -- which version of this file made the tables: see initVersion in the program
);
INSERT INTO schema_requirements (id, min_program, init) VALUES (1, 1, 1);

-- What the gate let through: one row per job, written once, with the very bytes to sign.
CREATE TABLE intents (
    job_id                    text PRIMARY KEY REFERENCES jobs (id),
    serial_number             text NOT NULL,
    digest                    text NOT NULL,
    issuer_id                 text NOT NULL,
    issuer_generation         integer NOT NULL,
    issuer_fingerprint_sha256 text NOT NULL,
    not_before                timestamp NOT NULL,
    not_after                 timestamp NOT NULL,
    tbs                       blob NOT NULL,
    profile_version           integer NOT NULL,
    certificate_version       integer NOT NULL,
    created_at                timestamp NOT NULL,
    UNIQUE (job_id, serial_number),
    UNIQUE (issuer_id, serial_number),
    FOREIGN KEY (issuer_id, issuer_generation) REFERENCES issuers (id, generation)
);

CREATE TABLE leaves (
    job_id             text PRIMARY KEY,
    serial_number      text NOT NULL,
    certificate_uid    text NOT NULL REFERENCES certificates (uid),
    certificate_version integer NOT NULL, -- the version that was signed, or that the signature made with a key of its own
    issuer_id          text NOT NULL,
    sans               text NOT NULL,
    not_before         timestamp NOT NULL,
    not_after          timestamp NOT NULL,
    fingerprint_sha256 text NOT NULL UNIQUE,
    spki_sha256        text NOT NULL,
    certificate_pem    text NOT NULL,
    chain_pem          text NOT NULL,
    created_at         timestamp NOT NULL,
    UNIQUE (issuer_id, serial_number),
    UNIQUE (certificate_uid, serial_number),
    FOREIGN KEY (job_id, serial_number) REFERENCES intents (job_id, serial_number)
);
CREATE INDEX leaves_certificate ON leaves (certificate_uid, created_at, serial_number);

-- Answers to requests with an Idempotency-Key, for a retry.
CREATE TABLE replays (
    principal_id    text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint     text NOT NULL,
    answer          text NOT NULL,
    expires_at      timestamp NOT NULL,
    PRIMARY KEY (principal_id, idempotency_key)
);
CREATE INDEX replays_expiry ON replays (expires_at);

CREATE TABLE audit_events (
    id            text PRIMARY KEY,
    occurred_at   timestamp NOT NULL,
    actor         text NOT NULL,
    actor_type    text NOT NULL CHECK (actor_type IN ('User', 'Service', 'System')),
    action        text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    request_id    text NOT NULL,
    details       text NOT NULL
);
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
-- +goose StatementBegin
CREATE TRIGGER intents_no_update BEFORE UPDATE ON intents
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on intents is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER intents_no_delete BEFORE DELETE ON intents
BEGIN
    SELECT RAISE(ABORT, 'DELETE on intents is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER profile_edits_no_update BEFORE UPDATE ON profile_edits
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on profile_edits is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER profile_edits_no_delete BEFORE DELETE ON profile_edits
BEGIN
    SELECT RAISE(ABORT, 'DELETE on profile_edits is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER leaves_no_update BEFORE UPDATE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on leaves is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER leaves_no_delete BEFORE DELETE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'DELETE on leaves is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER approval_names_no_update BEFORE UPDATE ON approval_names
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on approval_names is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER approval_names_no_delete BEFORE DELETE ON approval_names
BEGIN
    SELECT RAISE(ABORT, 'DELETE on approval_names is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER approvals_no_delete BEFORE DELETE ON approvals
BEGIN
    SELECT RAISE(ABORT, 'DELETE on approvals is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER jobs_no_delete BEFORE DELETE ON jobs
BEGIN
    SELECT RAISE(ABORT, 'DELETE on jobs is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ungated_names_no_delete BEFORE DELETE ON ungated_names
BEGIN
    SELECT RAISE(ABORT, 'DELETE on ungated_names is refused');
END;
-- +goose StatementEnd
-- A trigger looks a row up by its primary key alone and then compares the rest, as on PostgreSQL.
-- +goose StatementBegin
CREATE TRIGGER approvals_guard BEFORE UPDATE ON approvals
BEGIN
    SELECT RAISE(ABORT, 'a decided approval is final') WHERE OLD.state <> 'pending';
    SELECT RAISE(ABORT, 'what an approval is about cannot change') WHERE NOT (
        NEW.id IS OLD.id AND NEW.kind IS OLD.kind AND NEW.profile_id IS OLD.profile_id
        AND NEW.profile_name IS OLD.profile_name AND NEW.previous_approval_id IS OLD.previous_approval_id
        AND NEW.certificate_id IS OLD.certificate_id AND NEW.certificate_uid IS OLD.certificate_uid AND NEW.job_id IS OLD.job_id AND NEW.requested_by IS OLD.requested_by
        AND NEW.accountable IS OLD.accountable AND NEW.excluded IS OLD.excluded AND NEW.reason IS OLD.reason
        AND NEW.subject IS OLD.subject AND NEW.digest IS OLD.digest AND NEW.expires_at IS OLD.expires_at
        AND NEW.created_at IS OLD.created_at
        AND NEW.also_excluded IS OLD.also_excluded AND NEW.stands_for IS OLD.stands_for AND NEW.previous IS OLD.previous AND NEW.rejections IS OLD.rejections AND NEW.context IS OLD.context AND NEW.csr_ignored IS OLD.csr_ignored);
    SELECT RAISE(ABORT, 'only an approver decides') WHERE NEW.state IN ('approved', 'rejected')
        AND NOT (NEW.state = 'approved' AND NEW.decided_by IS 'system-bypass') AND (
        SELECT p.kind = 'human' AND p.disabled_at IS NULL AND instr(p.roles, '"approver"') > 0 FROM principals p WHERE p.id = NEW.decided_by) IS NOT TRUE;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER jobs_guard BEFORE UPDATE ON jobs
BEGIN
    SELECT RAISE(ABORT, 'a finished job is final') WHERE OLD.status IN ('Completed', 'Failed', 'Cancelled');
    SELECT RAISE(ABORT, 'what a job is about cannot change') WHERE NOT (
        NEW.id IS OLD.id AND NEW.type IS OLD.type AND NEW.certificate_uid IS OLD.certificate_uid
        AND NEW.certificate_id IS OLD.certificate_id AND NEW.profile_id IS OLD.profile_id AND NEW.approval_id IS OLD.approval_id
        AND NEW.requested_by IS OLD.requested_by AND NEW.accountable IS OLD.accountable AND NEW.csr_pem IS OLD.csr_pem AND NEW.own_csr IS OLD.own_csr
        AND NEW.subject IS OLD.subject AND NEW.digest IS OLD.digest AND NEW.created_at IS OLD.created_at);
    SELECT RAISE(ABORT, 'a job cannot go this way') WHERE NOT (OLD.status = NEW.status
        OR (OLD.status = 'AwaitingApproval' AND NEW.status IN ('Pending', 'Cancelled'))
        OR (OLD.status = 'Pending' AND NEW.status = 'Running')
        OR (OLD.status = 'Running' AND NEW.status IN ('Pending', 'Completed', 'Failed', 'Cancelled')));
    -- No way out of waiting but an approval over this very subject.
    SELECT RAISE(ABORT, 'the job has no approved approval') WHERE OLD.status = 'AwaitingApproval' AND NEW.status = 'Pending' AND (
        SELECT a.job_id = NEW.id AND a.state = 'approved' AND a.digest = NEW.digest FROM approvals a WHERE a.id = NEW.approval_id) IS NOT TRUE;
    SELECT RAISE(ABORT, 'the job has no leaf') WHERE NEW.status = 'Completed'
        AND (SELECT l.serial_number = NEW.serial_number FROM leaves l WHERE l.job_id = NEW.id) IS NOT TRUE;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER jobs_guard_new BEFORE INSERT ON jobs
BEGIN
    SELECT RAISE(ABORT, 'a job cannot begin like this') WHERE NEW.status <> 'AwaitingApproval' AND NOT (NEW.status = 'Pending' AND (NEW.approval_id IS NULL OR (
        SELECT a.job_id = NEW.id AND a.state = 'approved' AND a.digest = NEW.digest FROM approvals a WHERE a.id = NEW.approval_id) IS TRUE));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER intents_guard BEFORE INSERT ON intents
BEGIN
    SELECT RAISE(ABORT, 'the intent has no approved digest') WHERE (
        SELECT j.status = 'Running' AND j.digest = NEW.digest AND (j.approval_id IS NULL OR (
            SELECT a.state = 'approved' AND a.digest = NEW.digest FROM approvals a WHERE a.id = j.approval_id) IS TRUE)
        FROM jobs j WHERE j.id = NEW.job_id) IS NOT TRUE;
END;
-- +goose StatementEnd

-- A request begins as one: nothing is decided by being there.
-- +goose StatementBegin
CREATE TRIGGER approvals_guard_new BEFORE INSERT ON approvals WHEN NEW.state <> 'pending'
BEGIN
    SELECT RAISE(ABORT, 'an approval cannot begin like this');
END;
-- +goose StatementEnd

-- Who is excluded follows from who changed what.
-- +goose StatementBegin
CREATE TRIGGER profile_changes_no_update BEFORE UPDATE ON profile_changes
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on profile_changes is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER profile_changes_no_delete BEFORE DELETE ON profile_changes WHEN EXISTS (SELECT 1 FROM profiles WHERE id = OLD.profile_id)
BEGIN
    SELECT RAISE(ABORT, 'DELETE on profile_changes is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER certificate_changes_no_update BEFORE UPDATE ON certificate_changes
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on certificate_changes is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER certificate_changes_no_delete BEFORE DELETE ON certificate_changes
BEGIN
    SELECT RAISE(ABORT, 'DELETE on certificate_changes is refused');
END;
-- +goose StatementEnd

-- INSERT OR REPLACE deletes the row in its way without asking the triggers above, so no row may be in its way.
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on audit_events is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER profile_changes_no_replace BEFORE INSERT ON profile_changes WHEN EXISTS (SELECT 1 FROM profile_changes WHERE profile_id = NEW.profile_id AND version = NEW.version AND field = NEW.field)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on profile_changes is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER certificate_changes_no_replace BEFORE INSERT ON certificate_changes WHEN EXISTS (SELECT 1 FROM certificate_changes WHERE certificate_uid = NEW.certificate_uid AND version = NEW.version AND field = NEW.field)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on certificate_changes is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER approvals_no_replace BEFORE INSERT ON approvals WHEN EXISTS (SELECT 1 FROM approvals WHERE id = NEW.id OR job_id = NEW.job_id
        OR (profile_id = NEW.profile_id AND kind = 'profile_edit' AND state = 'pending' AND NEW.kind = 'profile_edit'))
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on approvals is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER profile_edits_no_replace BEFORE INSERT ON profile_edits WHEN EXISTS (SELECT 1 FROM profile_edits WHERE approval_id = NEW.approval_id AND number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on profile_edits is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER jobs_no_replace BEFORE INSERT ON jobs WHEN EXISTS (SELECT 1 FROM jobs WHERE id = NEW.id OR approval_id = NEW.approval_id
        OR (certificate_uid = NEW.certificate_uid AND status IN ('AwaitingApproval', 'Pending', 'Running') AND NEW.status IN ('AwaitingApproval', 'Pending', 'Running')))
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on jobs is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER intents_no_replace BEFORE INSERT ON intents WHEN EXISTS (SELECT 1 FROM intents WHERE job_id = NEW.job_id OR (issuer_id = NEW.issuer_id AND serial_number = NEW.serial_number))
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on intents is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER leaves_no_replace BEFORE INSERT ON leaves WHEN EXISTS (SELECT 1 FROM leaves WHERE job_id = NEW.job_id OR fingerprint_sha256 = NEW.fingerprint_sha256
        OR (serial_number = NEW.serial_number AND (issuer_id = NEW.issuer_id OR certificate_uid = NEW.certificate_uid)))
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on leaves is refused');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER handovers_no_update BEFORE UPDATE ON handovers
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on handovers is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER handovers_no_delete BEFORE DELETE ON handovers
BEGIN
    SELECT RAISE(ABORT, 'DELETE on handovers is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER handovers_no_replace BEFORE INSERT ON handovers WHEN EXISTS (SELECT 1 FROM handovers WHERE from_id = NEW.from_id AND handed_at = NEW.handed_at)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on handovers is refused');
END;
-- +goose StatementEnd

-- A handle stays one person's, and a key stays what it was made as; a revoked key stays revoked.
-- +goose StatementBegin
CREATE TRIGGER principals_guard BEFORE UPDATE ON principals
BEGIN
    SELECT RAISE(ABORT, 'who a principal is cannot change') WHERE NOT (
        NEW.id IS OLD.id AND NEW.kind IS OLD.kind AND NEW.created_at IS OLD.created_at);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_guard BEFORE UPDATE ON keys
BEGIN
    SELECT RAISE(ABORT, 'what a key is cannot change') WHERE NOT (
        NEW.id IS OLD.id AND NEW.principal_id IS OLD.principal_id AND NEW.secret_sha256 IS OLD.secret_sha256
        AND NEW.created_at IS OLD.created_at AND NEW.expires_at IS OLD.expires_at);
    SELECT RAISE(ABORT, 'a revoked key is revoked for good') WHERE OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER issuers_no_update BEFORE UPDATE ON issuers
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on issuers is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER issuers_no_delete BEFORE DELETE ON issuers
BEGIN
    SELECT RAISE(ABORT, 'DELETE on issuers is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER principals_no_delete BEFORE DELETE ON principals
BEGIN
    SELECT RAISE(ABORT, 'DELETE on principals is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_no_delete BEFORE DELETE ON keys
BEGIN
    SELECT RAISE(ABORT, 'DELETE on keys is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER issuers_no_replace BEFORE INSERT ON issuers WHEN EXISTS (SELECT 1 FROM issuers WHERE id = NEW.id AND generation = NEW.generation)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on issuers is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER principals_no_replace BEFORE INSERT ON principals WHEN EXISTS (SELECT 1 FROM principals WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on principals is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_no_replace BEFORE INSERT ON keys WHEN EXISTS (SELECT 1 FROM keys WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on keys is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ungated_names_no_replace BEFORE INSERT ON ungated_names WHEN EXISTS (SELECT 1 FROM ungated_names WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'REPLACE on ungated_names is refused');
END;
-- +goose StatementEnd
