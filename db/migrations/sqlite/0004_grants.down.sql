-- End the sessions that grant anything but the default: without these columns, a session for
-- another audience or scope would get tokens for the default one, and a session bound to a
-- key would be bound to none.
UPDATE sessions SET revoked_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER), revoke_reason = 'operator'
WHERE revoked_at IS NULL AND (scope <> '' OR resources <> '[]' OR jkt IS NOT NULL OR NOT refreshable);

ALTER TABLE sessions DROP COLUMN origin;
ALTER TABLE sessions DROP COLUMN scope;
ALTER TABLE sessions DROP COLUMN resources;
ALTER TABLE sessions DROP COLUMN auth_time;
ALTER TABLE sessions DROP COLUMN acr;
ALTER TABLE sessions DROP COLUMN amr;
ALTER TABLE sessions DROP COLUMN jkt;
ALTER TABLE sessions DROP COLUMN browser_session_id;
ALTER TABLE sessions DROP COLUMN offline;
ALTER TABLE sessions DROP COLUMN refreshable;

DROP TRIGGER clients_note_change;
DROP TRIGGER clients_note_birth;
DROP INDEX clients_by_change;
ALTER TABLE clients DROP COLUMN changed_at;
ALTER TABLE clients DROP COLUMN deleted_at;

ALTER TABLE audit_events DROP COLUMN actor_id;

DELETE FROM schema_compat WHERE version = 4;
