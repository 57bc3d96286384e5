DROP INDEX sessions_revoked_lately;
DROP INDEX sessions_status_index_unique;
ALTER TABLE sessions DROP COLUMN status_index;

DELETE FROM schema_compat WHERE version = 3;
