-- +goose Up
-- Each function takes this path along (SET search_path FROM CURRENT), so that it looks at certctl's own tables: a caller
-- may have another path, or temporary tables of the same names.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE principals (
    id          text PRIMARY KEY CHECK (id ~ '^[a-z][a-z0-9._-]{0,62}$' AND id NOT LIKE 'system-%'),
    kind        text NOT NULL CHECK (kind IN ('human', 'service')),
    owner       text REFERENCES principals (id),
    roles       text NOT NULL,
    disabled_at timestamptz,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK ((kind = 'service') = (owner IS NOT NULL)),
    CHECK (kind = 'human' OR strpos(roles, '"approver"') = 0)
);

CREATE INDEX principals_created ON principals (created_at, id);

CREATE TABLE keys (
    id            text PRIMARY KEY,
    principal_id  text NOT NULL REFERENCES principals (id),
    name          text NOT NULL,
    secret_sha256 text NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz
);
CREATE INDEX keys_principal ON keys (principal_id);

-- Who took over what somebody was accountable for until then: the scheduler asks in the name of the successor.
CREATE TABLE handovers (
    from_id   text NOT NULL REFERENCES principals (id),
    to_id     text NOT NULL REFERENCES principals (id),
    handed_at timestamptz NOT NULL,
    PRIMARY KEY (from_id, handed_at),
    CHECK (from_id <> to_id)
);

CREATE TABLE profiles (
    id                text PRIMARY KEY,
    spec              text NOT NULL,
    name              text NOT NULL GENERATED ALWAYS AS (spec::jsonb ->> 'name') STORED,
    requires_approval boolean NOT NULL GENERATED ALWAYS AS ((spec::jsonb ->> 'requires_approval')::boolean) STORED,
    enabled           boolean NOT NULL GENERATED ALWAYS AS ((spec::jsonb ->> 'enabled')::boolean) STORED,
    version           bigint NOT NULL CHECK (version > 0),
    rules_version     bigint NOT NULL CHECK (rules_version > 0 AND rules_version <= version), -- the version that changed more than description and labels
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
CREATE UNIQUE INDEX profiles_name ON profiles (name);
CREATE INDEX profiles_created ON profiles (created_at, id);

-- What may be signed without a human's approval: one row. A new database allows all.
CREATE TABLE ungated_names (
    id         smallint PRIMARY KEY CHECK (id = 1),
    allow_all  boolean NOT NULL,
    spec       text NOT NULL,
    updated_at timestamptz NOT NULL
);
INSERT INTO ungated_names (id, allow_all, spec, updated_at) VALUES (1, true,
    '{"allowed_dns_names":[],"allowed_ip_ranges":[],"allowed_uris":[],"allowed_email_domains":[],"allowed_ekus":[]}', now());

-- A certificate's uid is its own for ever; its id is free again once it is archived.
CREATE TABLE certificates (
    uid            text PRIMARY KEY,
    id             text NOT NULL,
    spec           text NOT NULL,
    profile_id     text NOT NULL GENERATED ALWAYS AS (spec::jsonb ->> 'profile_id') STORED,
    common_name    text NOT NULL GENERATED ALWAYS AS (spec::jsonb ->> 'common_name') STORED,
    spki_sha256    text NOT NULL,
    auto_renew     boolean NOT NULL GENERATED ALWAYS AS ((spec::jsonb ->> 'auto_renew')::boolean) STORED,
    version        bigint NOT NULL CHECK (version > 0),
    current_serial text,
    not_after      timestamptz,
    renew_at       timestamptz,
    archived_at    timestamptz,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
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
    version      bigint NOT NULL,
    field        text NOT NULL,
    value        text NOT NULL, -- canonical JSON
    principal    text NOT NULL,
    accountable  text NOT NULL,
    approved_by  text, -- the human who approved the edit
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (profile_id, version, field)
);
CREATE TABLE certificate_changes (
    certificate_uid text NOT NULL REFERENCES certificates (uid),
    version         bigint NOT NULL,
    field           text NOT NULL,
    value           text NOT NULL, -- canonical JSON
    principal       text NOT NULL,
    accountable     text NOT NULL,
    changed_at      timestamptz NOT NULL,
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
    expires_at           timestamptz NOT NULL,
    decided_by           text,
    decided_at           timestamptz,
    note                 text NOT NULL,
    cause                text,
    closed_by            text,
    closed_at            timestamptz,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    CHECK (strpos(excluded, '"' || accountable || '"') > 0),
    CHECK ((state IN ('approved', 'rejected', 'expired')) = (decided_by IS NOT NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CHECK ((state = 'cancelled') = (closed_by IS NOT NULL)),
    CHECK ((closed_by IS NULL) = (closed_at IS NULL)),
    CHECK ((state IN ('expired', 'cancelled')) = (cause IS NOT NULL)),
    -- Two people: whoever decided is none of those who stand behind the request.
    CHECK (state NOT IN ('approved', 'rejected')
        OR (decided_by <> accountable AND decided_by <> requested_by AND strpos(excluded, '"' || decided_by || '"') = 0)),
    CHECK (state NOT IN ('approved', 'rejected') OR decided_at < expires_at),
    -- A decision comes after its request, but for the clocks of two servers, each at most two seconds off the database's.
    CHECK (decided_at IS NULL OR decided_at >= created_at - interval '5 seconds')
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
    number      bigint NOT NULL,
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
    fence           bigint NOT NULL CHECK (fence >= 0),
    lease_until     timestamptz,
    cause           text,
    error_message   text NOT NULL,
    requested_by    text NOT NULL,
    accountable     text NOT NULL,
    csr_pem         text NOT NULL,
    own_csr         boolean NOT NULL, -- the request came with the renewal, and becomes the certificate's
    subject         text NOT NULL,
    digest          text NOT NULL,
    run_at          timestamptz NOT NULL,
    started_at      timestamptz,
    finished_at     timestamptz,
    serial_number   text,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
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
    fingerprint_sha256 text NOT NULL CHECK (fingerprint_sha256 ~ '^[0-9a-f]{64}$'),
    created_at         timestamptz NOT NULL,
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
    not_before                timestamptz NOT NULL,
    not_after                 timestamptz NOT NULL,
    tbs                       bytea NOT NULL,
    profile_version           bigint NOT NULL,
    certificate_version       bigint NOT NULL,
    created_at                timestamptz NOT NULL,
    UNIQUE (job_id, serial_number),
    UNIQUE (issuer_id, serial_number),
    FOREIGN KEY (issuer_id, issuer_generation) REFERENCES issuers (id, generation)
);

CREATE TABLE leaves (
    job_id             text PRIMARY KEY,
    serial_number      text NOT NULL,
    certificate_uid    text NOT NULL REFERENCES certificates (uid),
    certificate_version bigint NOT NULL, -- the version that was signed, or that the signature made with a key of its own
    issuer_id          text NOT NULL,
    sans               text NOT NULL,
    not_before         timestamptz NOT NULL,
    not_after          timestamptz NOT NULL,
    fingerprint_sha256 text NOT NULL UNIQUE,
    spki_sha256        text NOT NULL,
    certificate_pem    text NOT NULL,
    chain_pem          text NOT NULL,
    created_at         timestamptz NOT NULL,
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
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (principal_id, idempotency_key)
);
CREATE INDEX replays_expiry ON replays (expires_at);

CREATE TABLE audit_events (
    id            text PRIMARY KEY,
    occurred_at   timestamptz NOT NULL,
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
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused', TG_OP, TG_TABLE_NAME;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER intents_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON intents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER profile_edits_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON profile_edits FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER issuers_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON issuers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER leaves_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON leaves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER handovers_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON handovers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER principals_kept BEFORE DELETE OR TRUNCATE ON principals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keys_kept BEFORE DELETE OR TRUNCATE ON keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approval_names_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON approval_names FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approvals_kept BEFORE DELETE OR TRUNCATE ON approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER jobs_kept BEFORE DELETE OR TRUNCATE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ungated_names_kept BEFORE DELETE OR TRUNCATE ON ungated_names FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A trigger looks a row up by its primary key alone and then compares the rest. With the rest in WHERE, PostgreSQL may
-- choose the index of a state that its statistics do not know yet, and walk all rows of that state.
-- +goose StatementBegin
CREATE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.state <> 'pending' THEN
        RAISE EXCEPTION 'approval % is final', OLD.id;
    END IF;
    IF ROW(NEW.id, NEW.kind, NEW.profile_id, NEW.profile_name, NEW.certificate_id, NEW.certificate_uid, NEW.job_id, NEW.requested_by, NEW.accountable,
           NEW.excluded, NEW.reason, NEW.previous_approval_id, NEW.subject, NEW.digest, NEW.expires_at, NEW.created_at,
           NEW.also_excluded, NEW.stands_for, NEW.previous, NEW.rejections, NEW.context, NEW.csr_ignored)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.kind, OLD.profile_id, OLD.profile_name, OLD.certificate_id, OLD.certificate_uid, OLD.job_id, OLD.requested_by, OLD.accountable,
           OLD.excluded, OLD.reason, OLD.previous_approval_id, OLD.subject, OLD.digest, OLD.expires_at, OLD.created_at,
           OLD.also_excluded, OLD.stands_for, OLD.previous, OLD.rejections, OLD.context, OLD.csr_ignored) THEN
        RAISE EXCEPTION 'what approval % is about cannot change', OLD.id;
    END IF;
    IF NEW.state IN ('approved', 'rejected') AND NOT (NEW.state = 'approved' AND NEW.decided_by = 'system-bypass') AND (
        SELECT p.kind = 'human' AND p.disabled_at IS NULL AND strpos(p.roles, '"approver"') > 0 FROM principals p WHERE p.id = NEW.decided_by) IS NOT TRUE THEN
        RAISE EXCEPTION 'approval % can be decided by an approver alone', OLD.id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER approvals_guard BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION guard_approval();

-- +goose StatementBegin
CREATE FUNCTION guard_job() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.status IN ('Completed', 'Failed', 'Cancelled') THEN
        RAISE EXCEPTION 'job % is final', OLD.id;
    END IF;
    IF ROW(NEW.id, NEW.type, NEW.certificate_uid, NEW.certificate_id, NEW.profile_id, NEW.approval_id, NEW.requested_by,
           NEW.accountable, NEW.csr_pem, NEW.own_csr, NEW.subject, NEW.digest, NEW.created_at)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.type, OLD.certificate_uid, OLD.certificate_id, OLD.profile_id, OLD.approval_id, OLD.requested_by,
           OLD.accountable, OLD.csr_pem, OLD.own_csr, OLD.subject, OLD.digest, OLD.created_at) THEN
        RAISE EXCEPTION 'what job % is about cannot change', OLD.id;
    END IF;
    IF NOT (OLD.status = NEW.status
        OR (OLD.status = 'AwaitingApproval' AND NEW.status IN ('Pending', 'Cancelled'))
        OR (OLD.status = 'Pending' AND NEW.status = 'Running')
        OR (OLD.status = 'Running' AND NEW.status IN ('Pending', 'Completed', 'Failed', 'Cancelled'))) THEN
        RAISE EXCEPTION 'job % cannot go from % to %', OLD.id, OLD.status, NEW.status;
    END IF;
    -- No way out of waiting but an approval over this very subject.
    IF OLD.status = 'AwaitingApproval' AND NEW.status = 'Pending' AND (
        SELECT a.job_id = NEW.id AND a.state = 'approved' AND a.digest = NEW.digest FROM approvals a WHERE a.id = NEW.approval_id) IS NOT TRUE THEN
        RAISE EXCEPTION 'job % has no approved approval', OLD.id;
    END IF;
    IF NEW.status = 'Completed' AND (SELECT l.serial_number = NEW.serial_number FROM leaves l WHERE l.job_id = NEW.id) IS NOT TRUE THEN
        RAISE EXCEPTION 'job % has no leaf', OLD.id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_guard BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION guard_job();

-- +goose StatementBegin
CREATE FUNCTION guard_new_job() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.status <> 'AwaitingApproval' AND NOT (NEW.status = 'Pending' AND (NEW.approval_id IS NULL OR (
        SELECT a.job_id = NEW.id AND a.state = 'approved' AND a.digest = NEW.digest FROM approvals a WHERE a.id = NEW.approval_id) IS TRUE)) THEN
        RAISE EXCEPTION 'job % cannot begin as %', NEW.id, NEW.status;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_guard_new BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION guard_new_job();

-- +goose StatementBegin
CREATE FUNCTION guard_intent() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (SELECT j.status = 'Running' AND j.digest = NEW.digest AND (j.approval_id IS NULL OR (
            SELECT a.state = 'approved' AND a.digest = NEW.digest FROM approvals a WHERE a.id = j.approval_id) IS TRUE)
        FROM jobs j WHERE j.id = NEW.job_id) IS NOT TRUE THEN
        RAISE EXCEPTION 'intent for job % has no approved digest', NEW.job_id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER intents_guard BEFORE INSERT ON intents FOR EACH ROW EXECUTE FUNCTION guard_intent();

-- A request begins as one: nothing is decided by being there.
-- +goose StatementBegin
CREATE FUNCTION guard_new_approval() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.state <> 'pending' THEN
        RAISE EXCEPTION 'approval % cannot begin as %', NEW.id, NEW.state;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER approvals_guard_new BEFORE INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION guard_new_approval();

-- Who is excluded follows from who changed what.
CREATE TRIGGER profile_changes_immutable BEFORE UPDATE OR TRUNCATE ON profile_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- +goose StatementBegin
CREATE FUNCTION guard_profile_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM profiles WHERE id = OLD.profile_id) THEN
        RAISE EXCEPTION 'DELETE on profile_changes is refused while there is the profile';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER profile_changes_guard BEFORE DELETE ON profile_changes FOR EACH ROW EXECUTE FUNCTION guard_profile_change();
CREATE TRIGGER certificate_changes_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON certificate_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A handle stays one person's, and a key stays what it was made as; a revoked key stays revoked.
-- +goose StatementBegin
CREATE FUNCTION guard_principal() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF ROW(NEW.id, NEW.kind, NEW.created_at) IS DISTINCT FROM ROW(OLD.id, OLD.kind, OLD.created_at) THEN
        RAISE EXCEPTION 'who principal % is cannot change', OLD.id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER principals_guard BEFORE UPDATE ON principals FOR EACH ROW EXECUTE FUNCTION guard_principal();
-- +goose StatementBegin
CREATE FUNCTION guard_key() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF ROW(NEW.id, NEW.principal_id, NEW.secret_sha256, NEW.created_at, NEW.expires_at)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.principal_id, OLD.secret_sha256, OLD.created_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'what key % is cannot change', OLD.id;
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'key % is revoked for good', OLD.id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER keys_guard BEFORE UPDATE ON keys FOR EACH ROW EXECUTE FUNCTION guard_key();
