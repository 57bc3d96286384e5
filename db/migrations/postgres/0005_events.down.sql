-- In the order of a login, and each lock as strong as it will be needed.
LOCK TABLE sessions, audit_events, events IN ACCESS EXCLUSIVE MODE;

-- The trail goes back whole, which takes its time: sessions stand still and audit events wait
-- until it is done.
INSERT INTO audit_events (id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail)
SELECT id, at, kind, CASE actor WHEN 'self' THEN 'user' ELSE actor END,
    CASE actor WHEN 'self' THEN coalesce(user_id::text, other->>'user_id') ELSE actor_id END,
    coalesce(user_id::text, other->>'user_id'), client_id,
    CASE WHEN kind = 'session.started' AND session_id IS NULL AND NOT coalesce(other ? 'session_id', false) THEN id::text
        WHEN kind = 'session.started' AND other->>'session_id' = '-' THEN NULL
        ELSE coalesce(session_id::text, other->>'session_id') END,
    address, user_agent, coalesce(request_id::text, other->>'request_id'), detail
FROM events ON CONFLICT (id) DO NOTHING;
DROP TABLE events;

CREATE INDEX sessions_by_user ON sessions (user_id, id);
DROP INDEX sessions_live_by_user;
DROP INDEX sessions_ended_by_user;

DELETE FROM schema_compat WHERE version = 5;
