-- The name as it looks, without its spelling: two users never have names that look alike.
-- NULL: it was not looked at yet, as with rows of a binary of before, or the name of
-- another user looks the same, which stood when this came. serve fills it in little by little.
ALTER TABLE users ADD COLUMN skeleton TEXT;

CREATE UNIQUE INDEX users_skeleton_unique ON users (skeleton) WHERE skeleton IS NOT NULL;

-- What serve still has to look at.
CREATE INDEX users_without_skeleton ON users (id) WHERE skeleton IS NULL AND deleted_at IS NULL;

-- People log in with the name or the address, so no name is the address of another user,
-- whichever changes.
CREATE TRIGGER users_keep_logins_apart BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users WHERE id <> NEW.id AND (email_canonical = NEW.username_canonical OR username_canonical = NEW.email_canonical))
BEGIN
    SELECT RAISE(ABORT, 'another user logs in with that name or e-mail address');
END;

CREATE TRIGGER users_keep_changed_logins_apart BEFORE UPDATE OF username_canonical, email_canonical ON users
WHEN EXISTS (SELECT 1 FROM users WHERE id <> NEW.id AND (email_canonical = NEW.username_canonical OR username_canonical = NEW.email_canonical))
BEGIN
    SELECT RAISE(ABORT, 'another user logs in with that name or e-mail address');
END;

-- A deleted user leaves no skeleton, whichever binary deletes it.
CREATE TRIGGER users_forget_skeleton AFTER UPDATE ON users
WHEN NEW.deleted_at IS NOT NULL AND NEW.skeleton IS NOT NULL
BEGIN
    UPDATE users SET skeleton = NULL WHERE id = NEW.id;
END;

-- This migration only adds: every version that could use the schema still can.
INSERT INTO schema_compat (version, oldest_binary) SELECT 6, max(oldest_binary) FROM schema_compat;
