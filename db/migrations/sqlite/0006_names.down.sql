DROP TRIGGER users_forget_skeleton;
DROP TRIGGER users_keep_changed_logins_apart;
DROP TRIGGER users_keep_logins_apart;
DROP INDEX users_without_skeleton;
DROP INDEX users_skeleton_unique;
ALTER TABLE users DROP COLUMN skeleton;

DELETE FROM schema_compat WHERE version = 6;
