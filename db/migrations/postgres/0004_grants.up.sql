-- Lock all three at once, clients first: a login locks clients, then sessions. In another
-- order, the login and this migration could wait for each other.
LOCK TABLE clients, sessions, audit_events IN ACCESS EXCLUSIVE MODE;

-- What a session grants, set when it starts. The defaults describe the existing sessions
-- and those that earlier versions start: of the JSON API, for the default audience,
-- without a scope. Earlier versions ignore these columns, so the version that first
-- starts other sessions must raise oldest_binary.
ALTER TABLE sessions
    ADD COLUMN origin             text NOT NULL DEFAULT 'json',  -- the grant that started it
    ADD COLUMN scope              text NOT NULL DEFAULT '',      -- separated by spaces; never changes
    ADD COLUMN resources          text[] NOT NULL DEFAULT '{}',  -- granted audiences; none: the default audience
    ADD COLUMN auth_time          timestamptz,                   -- of the login; NULL: created_at
    ADD COLUMN acr                text,
    ADD COLUMN amr                text[],
    ADD COLUMN jkt                bytea,                         -- the key that refresh tokens are bound to
    ADD COLUMN browser_session_id uuid,                          -- the login in a browser that it came from
    ADD COLUMN offline            boolean NOT NULL DEFAULT true, -- false: it ends with its browser session
    ADD COLUMN refreshable        boolean NOT NULL DEFAULT true; -- false: it has no refresh token

-- NOT VALID, because every existing row fulfils them, and validating would read all rows.
ALTER TABLE sessions
    ADD CONSTRAINT sessions_origin_known CHECK (origin IN ('json', 'code', 'device', 'password', 'machine')) NOT VALID,
    ADD CONSTRAINT sessions_jkt_sha256 CHECK (octet_length(jkt) = 32) NOT VALID;

-- When a client was last changed, by any version of mintmark, so that a reader can ask for
-- the changes since its last read. A deleted client keeps its row, because sessions name it.
ALTER TABLE clients
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN deleted_at timestamptz;

CREATE INDEX clients_by_change ON clients (changed_at, id);

-- Changes commit in the order of their times, because the lock is held until the end of
-- the transaction: a reader that has seen a change has seen all earlier ones. No time is
-- used twice, even if the clock is set back. enable_seqscan is off so that the newest time
-- comes from the index, even by a plan that was made while the table was empty.
CREATE FUNCTION clients_note_change() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('mintmark clients', 0));
    NEW.changed_at := greatest(clock_timestamp(), (SELECT max(changed_at) FROM clients) + interval '1 microsecond');
    PERFORM pg_notify('mintmark_clients', '');
    RETURN NEW;
END
$$;

CREATE TRIGGER clients_note_change BEFORE INSERT OR UPDATE ON clients
    FOR EACH ROW EXECUTE FUNCTION clients_note_change();

-- Which operator, user or client acted.
ALTER TABLE audit_events ADD COLUMN actor_id text;

-- This migration only adds: every version that could use the schema still can.
INSERT INTO schema_compat (version, oldest_binary) SELECT 4, max(oldest_binary) FROM schema_compat;
