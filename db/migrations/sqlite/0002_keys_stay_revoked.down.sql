DELETE FROM schema_compat WHERE version = 2;
DROP TRIGGER signing_keys_are_kept;
DROP TRIGGER signing_keys_stay_the_same;
DROP TRIGGER signing_keys_stay_revoked;
