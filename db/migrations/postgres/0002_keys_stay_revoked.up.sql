-- Whatever is restored, edited by hand or written by a defect: a revoked key never
-- comes back, a kid never gets another key, and no key is forgotten.
CREATE FUNCTION signing_keys_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'signing key % is never deleted', OLD.kid;
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'signing key % stays revoked', OLD.kid;
    END IF;
    IF (NEW.kid, NEW.alg, NEW.public, NEW.published_at) IS DISTINCT FROM (OLD.kid, OLD.alg, OLD.public, OLD.published_at) THEN
        RAISE EXCEPTION 'signing key % stays the key it is', OLD.kid;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER signing_keys_keep BEFORE UPDATE OR DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION signing_keys_keep();

INSERT INTO schema_compat (version, oldest_binary) VALUES (2, 1);
