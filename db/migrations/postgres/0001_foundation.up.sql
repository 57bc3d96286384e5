-- What each applied migration asks of a binary: oldest_binary is the number of
-- the newest migration that a binary must know to be served by this schema. A
-- migration that only adds things keeps the number of the one before it; one
-- that an older binary would trip over names itself. Every migration adds its
-- row on the way up and removes it on the way down.
CREATE TABLE schema_compat (
    version       integer PRIMARY KEY,
    oldest_binary integer NOT NULL CHECK (oldest_binary BETWEEN 1 AND version)
);

-- A deleted user is a tombstone: the id stays, the rest is NULL, so that name
-- and address can be used again.
CREATE TABLE users (
    id                   uuid PRIMARY KEY,
    username             text,
    username_canonical   text CONSTRAINT users_username_unique UNIQUE,
    email                text,
    email_canonical      text CONSTRAINT users_email_unique UNIQUE,
    password_hash        text,
    created_at           timestamptz NOT NULL,
    disabled_at          timestamptz,
    deleted_at           timestamptz,
    sessions_valid_after timestamptz NOT NULL,
    CONSTRAINT users_tombstone CHECK (
        CASE WHEN deleted_at IS NULL
        THEN username IS NOT NULL AND username_canonical IS NOT NULL AND password_hash IS NOT NULL
        ELSE coalesce(username, username_canonical, email, email_canonical, password_hash) IS NULL
        END
    )
);

-- Durations are in microseconds; NULL means the configured default.
CREATE TABLE clients (
    id          text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    name        text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('public', 'confidential')),
    grant_types text[] NOT NULL,
    rotation    text NOT NULL CHECK (rotation IN ('always', 'never')),
    allow_skip  boolean NOT NULL,
    grace       bigint CHECK (grace >= 0),
    idle_ttl    bigint CHECK (idle_ttl > 0),
    max_ttl     bigint CHECK (max_ttl > 0),
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz
);

-- family comes first: reading a session by it is the hot path. The fill factor
-- leaves room for checkpoints to be rewritten in place.
CREATE TABLE sessions (
    family          bytea PRIMARY KEY CHECK (octet_length(family) = 16),
    id              uuid NOT NULL CONSTRAINT sessions_id_unique UNIQUE,
    user_id         uuid NOT NULL REFERENCES users (id),
    client_id       text COLLATE "C" NOT NULL REFERENCES clients (id),
    created_at      timestamptz NOT NULL,
    absolute_expiry timestamptz NOT NULL,
    revoked_at      timestamptz,
    revoke_reason   text,
    checkpoint      bigint NOT NULL CHECK (checkpoint BETWEEN 1 AND 4294967295),
    last_seen_at    timestamptz NOT NULL,
    address         text NOT NULL,
    user_agent      text NOT NULL,
    CONSTRAINT sessions_revoked CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
) WITH (fillfactor = 90);

CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_live_by_client ON sessions (client_id) WHERE revoked_at IS NULL;

-- Rows are never deleted: the public half identifies tokens of ours for ever.
-- sealed is NULL once the private half is destroyed.
CREATE TABLE signing_keys (
    kid          text PRIMARY KEY CHECK (length(kid) = 43),
    alg          text NOT NULL CHECK (alg <> ''),
    public       bytea NOT NULL CHECK (octet_length(public) > 0),
    sealed       bytea CHECK (octet_length(sealed) > 0),
    published_at timestamptz NOT NULL,
    activates_at timestamptz NOT NULL,
    revoked_at   timestamptz,
    CONSTRAINT signing_keys_turn UNIQUE (alg, activates_at),
    CONSTRAINT signing_keys_published_first CHECK (activates_at >= published_at)
);

-- Append-only. What an event concerns is text without foreign keys: the trail
-- must take every event and outlive what it tells of.
CREATE TABLE audit_events (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    kind       text NOT NULL,
    actor      text NOT NULL,
    user_id    text,
    client_id  text,
    session_id text,
    address    text,
    user_agent text,
    request_id text,
    detail     jsonb
);

CREATE INDEX audit_events_by_time ON audit_events (at, id);
CREATE INDEX audit_events_by_user ON audit_events (user_id, at, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_by_session ON audit_events (session_id, at, id) WHERE session_id IS NOT NULL;
CREATE INDEX audit_events_by_request ON audit_events (request_id, at, id) WHERE request_id IS NOT NULL;

-- The built-in public client behind the first-party API.
INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
VALUES ('first-party', 'First-party applications', 'public', ARRAY['refresh_token'], 'always', false, clock_timestamp());

INSERT INTO schema_compat (version, oldest_binary) VALUES (1, 1);
