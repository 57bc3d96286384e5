DELETE FROM schema_compat WHERE version = 2;
DROP TRIGGER signing_keys_keep_all ON signing_keys;
DROP TRIGGER signing_keys_keep ON signing_keys;
DROP FUNCTION signing_keys_keep;
