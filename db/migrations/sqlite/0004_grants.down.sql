-- What sessions grant beyond the default is forgotten: those that a version which knows
-- this migration started for a scope, an audience or a key go on without.
ALTER TABLE audit_events DROP COLUMN actor_id;

DROP TRIGGER clients_note_change;
DROP TRIGGER clients_note_birth;
DROP INDEX clients_by_change;
ALTER TABLE clients DROP COLUMN changed_at;
ALTER TABLE clients DROP COLUMN deleted_at;

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

DELETE FROM schema_compat WHERE version = 4;
