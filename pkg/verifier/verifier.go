package verifier

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrInvalidToken is in the chain of every error that says a token is not to be trusted: answer 401 (RFC 6750 §3.1).
var ErrInvalidToken = errors.New("invalid token")

// ErrKeysUnavailable is in the chain of every error that says the issuer's keys could not be read, so nothing is known
// about the token: answer 503 and let the caller try again.
var ErrKeysUnavailable = errors.New("the issuer's keys are unavailable")

// defect is what is wrong with a token, in a fixed text that holds nothing of the token and only characters that
// an error_description may hold (RFC 6750 §3).
type defect string

func (d defect) Error() string { return ErrInvalidToken.Error() + ": " + string(d) }

// Is makes every defect an [ErrInvalidToken].
func (d defect) Is(target error) bool { return target == ErrInvalidToken }

const (
	errSignature  = defect("the signature does not match the key that the header names")
	errUnknownKey = defect("the issuer publishes no key with the kid of this token")
)

// Verifier checks the tokens of one issuer for one audience. It is safe for concurrent use.
type Verifier struct {
	issuer   string
	audience string
	leeway   leeway
	now      func() time.Time
	keys     *keySet
}

// New makes a verifier for tokens whose iss is issuer and whose aud contains audience, both to the byte.
//
// It does no I/O, so a service may start before its issuer. It fails only on a configuration that cannot work: an
// issuer that is not an absolute https URL (http is for loopback, see [InsecureAllowHTTP]), an empty audience, a
// leeway out of range; the error names all of them.
func New(issuer, audience string, opts ...Option) (*Verifier, error) {
	s := defaults()
	for _, opt := range opts {
		opt(&s)
	}
	metadata, problem := metadataURL(issuer, s.allowHTTP)
	if err := errors.Join(problem, checkAudience(audience), s.check()); err != nil {
		return nil, fmt.Errorf("configure verifier: %w", err)
	}
	return &Verifier{
		issuer:   issuer,
		audience: audience,
		leeway:   s.leeway,
		now:      s.now,
		keys: newKeySet(s.now, s.log, &source{
			issuer:      issuer,
			metadataURL: metadata,
			allowHTTP:   s.allowHTTP,
			client:      withoutRedirects(s.client),
			log:         s.log,
		}),
	}, nil
}

// Verify returns the token that raw stands for, or an error that is [ErrInvalidToken] or [ErrKeysUnavailable].
//
// A token under a key that is known is checked without I/O or lock. An unknown kid, or the first token of all, makes
// one fetch for everybody, at most every 10 s, for which a call waits 2 s or until ctx ends. Known keys are refreshed
// in the background before their max-age (1 min to 1 h, 5 min unless the issuer says) is over. If nobody asked until
// after that, the next call waits for the refresh, so that a revoked key dies with its max-age; if the refresh fails,
// the keys that are known serve on for 24 h.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	jws, err := split(raw)
	if err != nil {
		return nil, err
	}
	kid, err := jws.kid()
	if err != nil {
		return nil, err
	}
	token, err := jws.claims()
	if err != nil {
		return nil, err
	}
	// Before the signature: a token that fails here anyway must cost neither a fetch nor an RSA operation, and an
	// expired one must be called expired even while the keys are out of reach.
	if err := v.check(token); err != nil {
		return nil, err
	}
	key, err := v.keys.key(ctx, kid)
	if err != nil {
		return nil, err
	}
	if err := jws.verify(key); err != nil {
		return nil, err
	}
	// Again: waiting for the keys may have taken the last seconds of its life.
	if err := v.leeway.check(token, v.now()); err != nil {
		return nil, err
	}
	return token, nil
}

// Ready says whether tokens can be checked now: nil, or an [ErrKeysUnavailable]. It never waits; without keys it
// starts the fetch, under the same cool-down as Verify, so a readiness probe alone brings a verifier up.
func (v *Verifier) Ready() error { return v.keys.ready() }

// Wait is Ready that waits for the first keys as long as Verify would, at most two seconds. A service that would
// rather refuse everything than tell bad tokens from good ones before its issuer is there asks it first.
func (v *Verifier) Wait(ctx context.Context) error { return v.keys.awaitReady(ctx) }

// check applies what RFC 9068 §4 asks of the claims.
func (v *Verifier) check(token *Token) error {
	if token.Issuer != v.issuer {
		return defect("it was issued by another issuer (iss)")
	}
	if !slices.Contains(token.Audience, v.audience) {
		return defect("it was issued for another audience (aud)")
	}
	return v.leeway.check(token, v.now())
}

// leeway is how far the clocks of issuer and verifier may differ.
type leeway struct {
	expiry time.Duration // for exp
	start  time.Duration // for nbf and iat
}

func (l leeway) check(token *Token, now time.Time) error {
	switch {
	case !now.Before(token.Expiry.Add(l.expiry)):
		return defect("it has expired (exp)")
	case token.IssuedAt.After(now.Add(l.start)):
		return defect("it was issued in the future (iat)")
	case token.notBefore.After(now.Add(l.start)):
		return defect("it is not valid yet (nbf)")
	}
	return nil
}

// verify checks the signature with the standard library: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
func (c compact) verify(key *rsa.PublicKey) error {
	signature, ok := decodeSegment(c.signature)
	if !ok || len(signature) != key.Size() { // RFC 8017 §8.2.2 step 1
		return errSignature
	}
	digest := sha256.Sum256([]byte(c.signed))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		return errSignature
	}
	return nil
}
