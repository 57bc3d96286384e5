-- The places of all sessions are forgotten. Tokens that name one stay good until they
-- expire, and after another migration up their bits may be those of others: revoke
-- the signing key before that, or wait for the longest lifetime of access tokens.
-- Their indexes go with them.
ALTER TABLE sessions DROP COLUMN status_index;

DELETE FROM schema_compat WHERE version = 3;
