package torture

import (
	"context"
	"crypto/rsa"
	"fmt"
	"maps"
	"slices"
)

// prepare gets a good token, and what forgers need beside it.
func (r *round) prepare(ctx context.Context) (err error) {
	cfg := r.cfg
	k := &kit{now: cfg.Now, issuer: cfg.Issuer, audience: cfg.Audience, typ: cfg.Typ, scope: cfg.Scope, leeway: cfg.Leeway}
	r.kit = k
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if k.attacker, err = cfg.newKey(); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	switch {
	case cfg.OwnIssuer != "":
		err = r.becomeIssuer(ctx)
	case cfg.TestKey != nil:
		k.trust(cfg.TestKey, cfg.TestKeyKID)
		k.template(cfg, nil)
	default:
		err = r.obtain(ctx)
	}
	if err != nil {
		return err
	}
	k.trap, err = setTrap(ctx, cfg.Trap, k.attacker, k.kid())
	return err
}

func (r *round) becomeIssuer(ctx context.Context) error {
	signing, err := newPair(r.cfg.newKey)
	if err != nil {
		return err
	}
	other, err := newPair(r.cfg.newKey)
	if err != nil {
		return err
	}
	if r.own, err = openIssuer(ctx, r.cfg.OwnIssuer, r.cfg.Issuer, signing, other, r.cfg.Now); err != nil {
		return err
	}
	r.kit.issuer, r.kit.otherKID = r.own.url, other.kid
	r.kit.trust(signing.key, signing.kid)
	r.kit.template(r.cfg, r.own)
	return nil
}

// trust makes a key the one that good tokens are signed with.
func (k *kit) trust(key *rsa.PrivateKey, kid string) {
	k.key, k.public = key, &key.PublicKey
	header := set{"alg": "RS256", "typ": k.typ}
	if kid != "" {
		header["kid"] = kid
	}
	k.header = header
}

// firstSession is the place in the status list of the session that is never revoked.
const firstSession = 0

// template is what tokens of our own making say.
func (k *kit) template(cfg Config, own *issuer) {
	claims := set{"sub": "torture", "client_id": "torture"}
	maps.Copy(claims, cfg.Claims)
	claims["iss"], claims["aud"] = k.issuer, k.audience
	if cfg.Scope != "" {
		claims["scope"] = cfg.Scope
	}
	if own != nil {
		claims["status"] = own.status(firstSession)
	}
	k.claims = claims
}

// obtain takes the good token from the user or the issuer, and the public key from the issuer.
func (r *round) obtain(ctx context.Context) (err error) {
	k, issuer := r.kit, newRemote(r.cfg.Issuer)
	k.token = r.cfg.Token
	if r.cfg.Client != nil {
		if k.token, err = r.cfg.Client.token(ctx, issuer, r.cfg.Audience, r.cfg.Scope); err != nil {
			return err
		}
	}
	if k.header, k.claims, err = readToken(k.token); err != nil {
		return fmt.Errorf("the good token: %w", err)
	}
	iss, aud := k.claims["iss"], k.claims["aud"]
	switch {
	case iss != r.cfg.Issuer:
		return fmt.Errorf("%w: the good token is of the issuer %q, not %q; name that one", ErrUnusable, fmt.Sprint(iss), r.cfg.Issuer)
	case r.cfg.Audience != "" && !names(aud, r.cfg.Audience):
		return fmt.Errorf("%w: the good token is for the audience %q, not %q; name that one", ErrUnusable, fmt.Sprint(aud), r.cfg.Audience)
	case expired(k.claims, r.cfg.Now()):
		return fmt.Errorf("%w: the good token has expired; give a fresh one", ErrUnusable)
	}
	k.public, err = issuer.publicKey(ctx, k.kid())
	return err
}

// names reports whether an aud holds an audience (RFC 7519 §4.1.3).
func names(aud any, audience string) bool {
	list, _ := aud.([]any)
	return aud == audience || slices.Contains(list, any(audience))
}
