-- Whatever is restored, edited by hand or written by a defect: a revoked key never
-- comes back, a kid never gets another key, a turn is only moved to an earlier time,
-- a private half that was destroyed stays so, and no key is forgotten.
CREATE TRIGGER signing_keys_stay_revoked BEFORE UPDATE ON signing_keys
WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at
BEGIN
    SELECT RAISE(ABORT, 'a revoked signing key stays revoked');
END;

CREATE TRIGGER signing_keys_stay_the_same BEFORE UPDATE ON signing_keys
WHEN NEW.kid IS NOT OLD.kid OR NEW.alg IS NOT OLD.alg OR NEW.public IS NOT OLD.public OR NEW.published_at IS NOT OLD.published_at
BEGIN
    SELECT RAISE(ABORT, 'a signing key stays the key it is');
END;

CREATE TRIGGER signing_keys_keep_their_turn BEFORE UPDATE ON signing_keys
WHEN NEW.activates_at > OLD.activates_at
BEGIN
    SELECT RAISE(ABORT, 'the turn of a signing key is not put off');
END;

CREATE TRIGGER signing_keys_stay_destroyed BEFORE UPDATE ON signing_keys
WHEN OLD.sealed IS NULL AND NEW.sealed IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a private half that was destroyed stays so');
END;

CREATE TRIGGER signing_keys_are_kept BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'a signing key is never deleted');
END;

-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER signing_keys_are_not_replaced BEFORE INSERT ON signing_keys
WHEN EXISTS (SELECT 1 FROM signing_keys WHERE kid = NEW.kid OR (alg = NEW.alg AND activates_at = NEW.activates_at))
BEGIN
    SELECT RAISE(ABORT, 'there is such a signing key already');
END;

-- The same for UPDATE OR REPLACE onto another key's turn.
CREATE TRIGGER signing_keys_keep_other_turns BEFORE UPDATE ON signing_keys
WHEN EXISTS (SELECT 1 FROM signing_keys WHERE kid <> OLD.kid AND alg = NEW.alg AND activates_at = NEW.activates_at)
BEGIN
    SELECT RAISE(ABORT, 'another signing key has that turn');
END;

INSERT INTO schema_compat (version, oldest_binary) VALUES (2, 1);
