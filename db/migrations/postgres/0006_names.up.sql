-- Logins, refreshes and registrations stand still while this runs, about a second with a
-- million users in memory: both indexes read the whole table, and the second begins with
-- every user in it.

-- The name as it looks, without its spelling: two users never have names that look alike.
-- NULL: it was not looked at yet, as with rows of a binary of before, or the name of
-- another user looks the same, which stood when this came. serve fills it in little by little.
ALTER TABLE users ADD COLUMN skeleton text;

CREATE UNIQUE INDEX users_skeleton_unique ON users (skeleton) WHERE skeleton IS NOT NULL;

-- What serve still has to look at.
CREATE INDEX users_without_skeleton ON users (id) WHERE skeleton IS NULL AND deleted_at IS NULL;

-- People log in with the name or the address, so no name is the address of another user,
-- whichever changes. The locks, a thousand for all logins, let one of two transactions that
-- could meet see the other. A deleted user leaves no skeleton, whichever binary deletes it.
CREATE FUNCTION users_keep_logins_apart() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET search_path FROM CURRENT AS $$
DECLARE
    name_lock  integer := hashtext(NEW.username_canonical) & 1023;
    email_lock integer := hashtext(NEW.email_canonical) & 1023;
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        NEW.skeleton := NULL;
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('mintmark logins'), least(name_lock, email_lock));
    PERFORM pg_advisory_xact_lock(hashtext('mintmark logins'), greatest(name_lock, email_lock));
    IF EXISTS (SELECT FROM users WHERE email_canonical = NEW.username_canonical AND id <> NEW.id) THEN
        RAISE unique_violation USING CONSTRAINT = 'users_username_unique',
            MESSAGE = 'the name is the e-mail address of another user';
    END IF;
    IF EXISTS (SELECT FROM users WHERE username_canonical = NEW.email_canonical AND id <> NEW.id) THEN
        RAISE unique_violation USING CONSTRAINT = 'users_email_unique',
            MESSAGE = 'the e-mail address is the name of another user';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER users_keep_logins_apart BEFORE INSERT OR UPDATE OF username_canonical, email_canonical, deleted_at ON users
    FOR EACH ROW EXECUTE FUNCTION users_keep_logins_apart();

-- This migration only adds: every version that could use the schema still can.
INSERT INTO schema_compat (version, oldest_binary) SELECT 6, max(oldest_binary) FROM schema_compat;
