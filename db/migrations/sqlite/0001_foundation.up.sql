-- What each applied migration asks of a binary: oldest_binary is the number of
-- the newest migration that a binary must know to be served by this schema. A
-- migration that only adds things keeps the number of the one before it; one
-- that an older binary would trip over names itself. Every migration adds its
-- row on the way up and removes it on the way down.
CREATE TABLE schema_compat (
    version       INTEGER PRIMARY KEY,
    oldest_binary INTEGER NOT NULL CHECK (oldest_binary BETWEEN 1 AND version)
) STRICT;

-- Times are microseconds since 1970, the precision that Postgres keeps.
--
-- A deleted user is a tombstone: the id stays, the rest is NULL, so that name
-- and address can be used again.
CREATE TABLE users (
    id                   TEXT PRIMARY KEY CHECK (length(id) = 36),
    username             TEXT,
    username_canonical   TEXT CONSTRAINT users_username_unique UNIQUE,
    email                TEXT,
    email_canonical      TEXT CONSTRAINT users_email_unique UNIQUE,
    password_hash        TEXT,
    created_at           INTEGER NOT NULL,
    disabled_at          INTEGER,
    deleted_at           INTEGER,
    sessions_valid_after INTEGER NOT NULL,
    CONSTRAINT users_tombstone CHECK (
        CASE WHEN deleted_at IS NULL
        THEN username IS NOT NULL AND username_canonical IS NOT NULL AND password_hash IS NOT NULL
        ELSE coalesce(username, username_canonical, email, email_canonical, password_hash) IS NULL
        END
    )
) STRICT, WITHOUT ROWID;

-- Durations are in microseconds; NULL means the configured default. grant_types
-- is a JSON array.
CREATE TABLE clients (
    id          TEXT PRIMARY KEY CHECK (id <> ''),
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('public', 'confidential')),
    grant_types TEXT NOT NULL CHECK (json_type(grant_types) = 'array'),
    rotation    TEXT NOT NULL CHECK (rotation IN ('always', 'never')),
    allow_skip  INTEGER NOT NULL CHECK (allow_skip IN (0, 1)),
    grace       INTEGER CHECK (grace >= 0),
    idle_ttl    INTEGER CHECK (idle_ttl > 0),
    max_ttl     INTEGER CHECK (max_ttl > 0),
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT, WITHOUT ROWID;

-- family comes first: reading a session by it is the hot path. The state_
-- columns are the rotation state that Redis keeps in production; state_cur 0
-- means that there is none.
CREATE TABLE sessions (
    family           BLOB PRIMARY KEY CHECK (length(family) = 16),
    id               TEXT NOT NULL CONSTRAINT sessions_id_unique UNIQUE CHECK (length(id) = 36),
    user_id          TEXT NOT NULL REFERENCES users (id),
    client_id        TEXT NOT NULL REFERENCES clients (id),
    created_at       INTEGER NOT NULL,
    absolute_expiry  INTEGER NOT NULL,
    revoked_at       INTEGER,
    revoke_reason    TEXT,
    checkpoint       INTEGER NOT NULL CHECK (checkpoint BETWEEN 1 AND 4294967295),
    last_seen_at     INTEGER NOT NULL,
    address          TEXT NOT NULL,
    user_agent       TEXT NOT NULL,
    state_cur        INTEGER NOT NULL DEFAULT 0 CHECK (state_cur BETWEEN 0 AND 4294967295),
    state_prev       INTEGER NOT NULL DEFAULT 0 CHECK (state_prev BETWEEN 0 AND 4294967295),
    state_rotated_at INTEGER,
    state_skips      INTEGER NOT NULL DEFAULT 0 CHECK (state_skips BETWEEN 0 AND 255),
    CONSTRAINT sessions_revoked CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_live_by_client ON sessions (client_id) WHERE revoked_at IS NULL;

-- Rows are never deleted: the public half identifies tokens of ours for ever.
-- sealed is NULL once the private half is destroyed.
CREATE TABLE signing_keys (
    kid          TEXT PRIMARY KEY CHECK (length(kid) = 43),
    alg          TEXT NOT NULL CHECK (alg <> ''),
    public       BLOB NOT NULL CHECK (length(public) > 0),
    sealed       BLOB CHECK (length(sealed) > 0),
    published_at INTEGER NOT NULL,
    activates_at INTEGER NOT NULL,
    revoked_at   INTEGER,
    CONSTRAINT signing_keys_turn UNIQUE (alg, activates_at),
    CONSTRAINT signing_keys_published_first CHECK (activates_at >= published_at)
) STRICT, WITHOUT ROWID;

-- Append-only. What an event concerns is text without foreign keys: the trail
-- must take every event and outlive what it tells of. detail is a JSON object.
CREATE TABLE audit_events (
    id         TEXT PRIMARY KEY CHECK (length(id) = 36),
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    actor      TEXT NOT NULL,
    user_id    TEXT,
    client_id  TEXT,
    session_id TEXT,
    address    TEXT,
    user_agent TEXT,
    request_id TEXT,
    detail     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_events_by_time ON audit_events (at, id);
CREATE INDEX audit_events_by_user ON audit_events (user_id, at, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_by_session ON audit_events (session_id, at, id) WHERE session_id IS NOT NULL;
CREATE INDEX audit_events_by_request ON audit_events (request_id, at, id) WHERE request_id IS NOT NULL;

-- The built-in public client behind the first-party API.
INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
VALUES ('first-party', 'First-party applications', 'public', '["refresh_token"]', 'always', 0,
        CAST(strftime('%s', 'now') AS INTEGER) * 1000000);

INSERT INTO schema_compat (version, oldest_binary) VALUES (1, 1);
