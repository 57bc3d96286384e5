-- In the order in which the migration up locks them.
LOCK TABLE clients, sessions, audit_events IN ACCESS EXCLUSIVE MODE;

-- End the sessions that grant anything but the default: without these columns, a session for
-- another audience or scope would get tokens for the default one, and a session bound to a
-- key would be bound to none.
UPDATE sessions SET revoked_at = clock_timestamp(), revoke_reason = 'operator'
WHERE revoked_at IS NULL AND (scope <> '' OR resources <> '{}' OR jkt IS NOT NULL OR NOT refreshable);

-- Dropping a column drops its constraints.
ALTER TABLE sessions
    DROP COLUMN origin, DROP COLUMN scope, DROP COLUMN resources, DROP COLUMN auth_time, DROP COLUMN acr,
    DROP COLUMN amr, DROP COLUMN jkt, DROP COLUMN browser_session_id, DROP COLUMN offline, DROP COLUMN refreshable;

DROP TRIGGER clients_note_change ON clients;
DROP FUNCTION clients_note_change();
ALTER TABLE clients DROP COLUMN changed_at, DROP COLUMN deleted_at;

ALTER TABLE audit_events DROP COLUMN actor_id;

DELETE FROM schema_compat WHERE version = 4;
