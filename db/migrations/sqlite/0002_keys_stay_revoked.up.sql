-- Whatever is restored, edited by hand or written by a defect: a revoked key never
-- comes back, a kid never gets another key, and no key is forgotten.
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

CREATE TRIGGER signing_keys_are_kept BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'a signing key is never deleted');
END;

INSERT INTO schema_compat (version, oldest_binary) VALUES (2, 1);
