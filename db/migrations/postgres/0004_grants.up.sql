-- All three at once, clients first: a login locks clients, then sessions, and would
-- otherwise wait for this migration while this waits for the login.
LOCK TABLE clients, sessions, audit_events IN ACCESS EXCLUSIVE MODE;

-- What a session grants, kept from its beginning. The defaults describe the sessions
-- that there are, and those that earlier versions start: of the JSON API, for the
-- default audience, without a scope. Earlier versions ignore these columns: the version
-- that first starts other sessions raises oldest_binary.
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

-- They hold of every row there is: validating them would read all rows.
ALTER TABLE sessions
    ADD CONSTRAINT sessions_origin_known CHECK (origin IN ('json', 'code', 'device', 'password', 'machine')) NOT VALID,
    ADD CONSTRAINT sessions_jkt_sha256 CHECK (octet_length(jkt) = 32) NOT VALID;

-- When a client was last changed, by whatever version, so that a reader asks for what
-- is newer than its last look. A deleted client keeps its row, which sessions name.
ALTER TABLE clients
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN deleted_at timestamptz;

CREATE INDEX clients_by_change ON clients (changed_at, id);

-- Changes are committed in the order of their times, as the lock is held to the end of
-- the transaction: a reader that has seen one has seen all before it. A clock that was
-- set back does not take a time twice. The newest time comes from the index, also where a
-- plan was made while the table was empty.
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

-- It only adds: every version that the schema served goes on.
INSERT INTO schema_compat (version, oldest_binary) SELECT 4, max(oldest_binary) FROM schema_compat;
