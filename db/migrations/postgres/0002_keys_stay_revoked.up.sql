-- Whatever is restored, edited by hand or written by a defect: a revoked key never
-- comes back, a kid never gets another key, a turn is only moved to an earlier time,
-- a private half that was destroyed stays so, and no key is forgotten.
CREATE FUNCTION signing_keys_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'signing keys are never deleted';
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'signing key % stays revoked', OLD.kid;
    END IF;
    IF (NEW.kid, NEW.alg, NEW.public, NEW.published_at) IS DISTINCT FROM (OLD.kid, OLD.alg, OLD.public, OLD.published_at) THEN
        RAISE EXCEPTION 'signing key % stays the key it is', OLD.kid;
    END IF;
    IF NEW.activates_at > OLD.activates_at THEN
        RAISE EXCEPTION 'the turn of signing key % is not put off', OLD.kid;
    END IF;
    IF OLD.sealed IS NULL AND NEW.sealed IS NOT NULL THEN
        RAISE EXCEPTION 'the private half of signing key % stays destroyed', OLD.kid;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER signing_keys_keep BEFORE UPDATE OR DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION signing_keys_keep();
CREATE TRIGGER signing_keys_keep_all BEFORE TRUNCATE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_keep();

INSERT INTO schema_compat (version, oldest_binary) VALUES (2, 1);
