-- Sessions stand still while their two indexes are built, a second with a million of them; the
-- trail is not touched. The strongest lock comes first: a login that had read sessions and waits to
-- write to them would keep the last statement from its lock, and each would wait for the other.
LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE;

-- The trail in 200 bytes a login, in place of 630: it takes new events from now on. Those of
-- audit_events, where earlier versions go on writing, are moved here in small batches by
-- whichever replica comes first. Ids are UUIDv7, so the primary key is the order of time.
-- The session of a session.started without one is the event's own id; the actor 'self' is the
-- user concerned. A request that is much earlier than its event, and what is no UUID, is in
-- other. Like audit_events, without foreign keys.
CREATE TABLE events (
    at         timestamptz NOT NULL,
    id         uuid PRIMARY KEY,
    user_id    uuid,
    session_id uuid,
    request_id uuid,
    kind       text NOT NULL,
    actor      text NOT NULL,
    actor_id   text,
    client_id  text,
    address    text,
    user_agent text,
    detail     jsonb,
    other      jsonb
);

CREATE INDEX events_by_user ON events (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_session ON events (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX events_by_other ON events USING gin (other jsonb_path_ops) WHERE other IS NOT NULL;

-- Sessions that are not ended are found by user and client, as the limit of them needs it; the
-- others by user. Together they do what sessions_by_user did, in less space.
CREATE INDEX sessions_live_by_user ON sessions (user_id, client_id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_ended_by_user ON sessions (user_id, id) WHERE revoked_at IS NOT NULL;
DROP INDEX sessions_by_user;

-- It only adds: whoever the schema served goes on.
INSERT INTO schema_compat (version, oldest_binary) SELECT 5, max(oldest_binary) FROM schema_compat;
