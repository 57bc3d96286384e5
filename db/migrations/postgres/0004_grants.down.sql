-- What sessions grant beyond the default is forgotten: those that a version which knows
-- this migration started for a scope, an audience or a key go on without.
ALTER TABLE audit_events DROP COLUMN actor_id;

DROP TRIGGER clients_note_change ON clients;
DROP FUNCTION clients_note_change();
ALTER TABLE clients DROP COLUMN changed_at, DROP COLUMN deleted_at;

-- Constraints go with their columns.
ALTER TABLE sessions
    DROP COLUMN origin, DROP COLUMN scope, DROP COLUMN resources, DROP COLUMN auth_time, DROP COLUMN acr,
    DROP COLUMN amr, DROP COLUMN jkt, DROP COLUMN browser_session_id, DROP COLUMN offline, DROP COLUMN refreshable;

DELETE FROM schema_compat WHERE version = 4;
