DELETE FROM schema_compat WHERE version = 2;
DROP TRIGGER signing_keys_keep_other_turns;
DROP TRIGGER signing_keys_are_not_replaced;
DROP TRIGGER signing_keys_are_kept;
DROP TRIGGER signing_keys_stay_destroyed;
DROP TRIGGER signing_keys_keep_their_turn;
DROP TRIGGER signing_keys_stay_the_same;
DROP TRIGGER signing_keys_stay_revoked;
