DROP TRIGGER users_keep_logins_apart ON users;
DROP FUNCTION users_keep_logins_apart;

-- Its indexes go with it.
ALTER TABLE users DROP COLUMN skeleton;

DELETE FROM schema_compat WHERE version = 6;
