-- Sessions stand still while this runs, 0.2 s with a million of them in memory. It is
-- one transaction: CREATE INDEX CONCURRENTLY would wait for the replicas that wait for
-- this migration, and these for it.

-- The place of a session in the status lists; NULL: it has none, because it is
-- older than the lists, or because it was over for so long that another has its
-- place now. A binary of before leaves it NULL; the next refresh of such a session
-- gives it one.
ALTER TABLE sessions ADD COLUMN status_index bigint;

-- It holds of every row there is, all being NULL: validating it would read them all.
ALTER TABLE sessions ADD CONSTRAINT sessions_status_index_natural
    CHECK (status_index BETWEEN 0 AND 2147483647) NOT VALID;

CREATE UNIQUE INDEX sessions_status_index_unique ON sessions (status_index) WHERE status_index IS NOT NULL;

-- What the lists are derived from, without a look at the rows.
CREATE INDEX sessions_revoked_lately ON sessions (revoked_at, status_index)
    WHERE revoked_at IS NOT NULL AND status_index IS NOT NULL;

-- It only adds: whoever the schema served goes on.
INSERT INTO schema_compat (version, oldest_binary) SELECT 3, max(oldest_binary) FROM schema_compat;
