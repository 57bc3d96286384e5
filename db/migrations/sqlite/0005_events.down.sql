-- The trail goes back whole. A UUID is text there.
CREATE TEMP VIEW names AS
WITH hexes AS (
    SELECT *, lower(hex(id)) AS i, lower(hex(user_id)) AS u, lower(hex(session_id)) AS s, lower(hex(request_id)) AS r FROM main.events
)
SELECT *,
    substr(i, 1, 8) || '-' || substr(i, 9, 4) || '-' || substr(i, 13, 4) || '-' || substr(i, 17, 4) || '-' || substr(i, 21) AS event,
    iif(typeof(user_id) = 'blob', substr(u, 1, 8) || '-' || substr(u, 9, 4) || '-' || substr(u, 13, 4) || '-' || substr(u, 17, 4) || '-' || substr(u, 21), user_id) AS user,
    iif(typeof(session_id) = 'blob', substr(s, 1, 8) || '-' || substr(s, 9, 4) || '-' || substr(s, 13, 4) || '-' || substr(s, 17, 4) || '-' || substr(s, 21), session_id) AS session,
    iif(typeof(request_id) = 'blob', substr(r, 1, 8) || '-' || substr(r, 9, 4) || '-' || substr(r, 13, 4) || '-' || substr(r, 17, 4) || '-' || substr(r, 21), request_id) AS request
FROM hexes;

INSERT INTO audit_events (id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail)
SELECT event, at, kind, iif(actor = 'self', 'user', actor), iif(actor = 'self', user, actor_id), user, client_id,
    iif(kind = 'session.started', coalesce(nullif(session, '-'), iif(session IS NULL, event, NULL)), session),
    address, user_agent, request, detail
FROM names WHERE true ON CONFLICT (id) DO NOTHING;
DROP VIEW names;
DROP TABLE events;

CREATE INDEX sessions_by_user ON sessions (user_id, id);
DROP INDEX sessions_live_by_user;
DROP INDEX sessions_ended_by_user;

DELETE FROM schema_compat WHERE version = 5;
