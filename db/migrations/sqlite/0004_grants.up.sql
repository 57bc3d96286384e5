-- What a session grants, set when it starts. The defaults describe the existing sessions
-- and those that earlier versions start: of the JSON API, for the default audience,
-- without a scope. Earlier versions ignore these columns, so the version that first
-- starts other sessions must raise oldest_binary. resources and amr are JSON arrays.
ALTER TABLE sessions ADD COLUMN origin TEXT NOT NULL DEFAULT 'json' -- the grant that started it
    CHECK (origin IN ('json', 'code', 'device', 'password', 'machine'));
ALTER TABLE sessions ADD COLUMN scope TEXT NOT NULL DEFAULT '';     -- separated by spaces; never changes
ALTER TABLE sessions ADD COLUMN resources TEXT NOT NULL DEFAULT '[]' -- granted audiences; none: the default audience
    CHECK (json_type(resources) = 'array');
ALTER TABLE sessions ADD COLUMN auth_time INTEGER;                  -- of the login; NULL: created_at
ALTER TABLE sessions ADD COLUMN acr TEXT;
ALTER TABLE sessions ADD COLUMN amr TEXT CHECK (json_type(amr) = 'array');
ALTER TABLE sessions ADD COLUMN jkt BLOB CHECK (length(jkt) = 32);  -- the key that refresh tokens are bound to
ALTER TABLE sessions ADD COLUMN browser_session_id TEXT             -- the login in a browser that it came from
    CHECK (length(browser_session_id) = 36);
ALTER TABLE sessions ADD COLUMN offline INTEGER NOT NULL DEFAULT 1  -- 0: it ends with its browser session
    CHECK (offline IN (0, 1));
ALTER TABLE sessions ADD COLUMN refreshable INTEGER NOT NULL DEFAULT 1 -- 0: it has no refresh token
    CHECK (refreshable IN (0, 1));

-- When a client was last changed, by any version of mintmark, so that a reader can ask for
-- the changes since its last read. A deleted client keeps its row, because sessions name it.
ALTER TABLE clients ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN deleted_at INTEGER;
UPDATE clients SET changed_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER);

CREATE INDEX clients_by_change ON clients (changed_at, id);

-- No time is used twice, even if the clock is set back.
CREATE TRIGGER clients_note_birth AFTER INSERT ON clients
BEGIN
    UPDATE clients SET changed_at = max(CAST(unixepoch('subsec') * 1000000 AS INTEGER), (SELECT max(changed_at) + 1 FROM clients))
    WHERE id = NEW.id;
END;

CREATE TRIGGER clients_note_change AFTER UPDATE ON clients
WHEN NEW.changed_at IS OLD.changed_at
BEGIN
    UPDATE clients SET changed_at = max(CAST(unixepoch('subsec') * 1000000 AS INTEGER), (SELECT max(changed_at) + 1 FROM clients))
    WHERE id = NEW.id;
END;

-- Which operator, user or client acted.
ALTER TABLE audit_events ADD COLUMN actor_id TEXT;

-- This migration only adds: every version that could use the schema still can.
INSERT INTO schema_compat (version, oldest_binary) SELECT 4, max(oldest_binary) FROM schema_compat;
