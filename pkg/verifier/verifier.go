package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// accessTokenType is the typ of an access token (RFC 9068 §2.1).
const accessTokenType = "at+jwt"

// Verifier checks the tokens of one issuer for one audience. It is safe for concurrent use.
type Verifier struct {
	issuer     string
	audience   string
	algorithms []string
	leeway     leeway
	maxAge     time.Duration // from iat to exp
	preflight  http.Handler  // nil: preflights are refused
	now        func() time.Time
	metrics    Metrics
	client     *http.Client // with connections of our own, or nil
	life       *life
	keys       *keySet
	cache      *cache
	lists      *statusLists  // nil if off
	proofs     *proofs       // nil if off
	introspect *introspector // nil if off
	resource   *resource     // of the metadata; nil if off
}

// New makes a verifier for tokens whose iss is issuer and whose aud contains audience, both to the byte.
//
// New does no I/O, so a service may start before its issuer. It fails only on a configuration that cannot work: an
// issuer that is not an absolute https URL (http is for loopback, see [InsecureAllowHTTP]), an empty audience, or an
// option out of range. The error names every problem. A nil option changes nothing.
func New(issuer, audience string, opts ...Option) (*Verifier, error) {
	s := defaults()
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	metadata, problem := metadataURL(issuer, s.allowHTTP)
	origin, problems := s.check(audience)
	if err := errors.Join(problem, checkAudience(audience), problems); err != nil {
		return nil, fmt.Errorf("configure verifier: %w", err)
	}
	v := &Verifier{
		issuer: issuer, audience: audience, algorithms: s.algorithms, leeway: s.leeway, now: s.now, metrics: s.metrics,
		maxAge: s.maxAge, preflight: s.preflight,
		life: newLife(), cache: newCache(s.cacheSize),
	}
	var owned bool
	if s.client, owned = ownClient(s.client); owned {
		v.client = s.client
	}
	v.keys = newKeySet(s, v.life, &source{
		issuer:      issuer,
		metadataURL: metadata,
		allowHTTP:   s.allowHTTP,
		algorithms:  s.algorithms,
		client:      s.client,
		log:         s.log,
	})
	if s.status != StatusOff {
		u, _ := url.Parse(issuer) // metadataURL has parsed it
		v.lists = newStatusLists(s, issuer, u, v.life, v.keys)
	}
	if s.dpop != DPoPOff {
		v.proofs = newProofs(s.dpop, origin, s.leeway.start)
	}
	if s.introspection != nil {
		v.introspect = newIntrospector(s, v)
	}
	if s.resource != nil {
		v.resource = newResource(s, issuer, audience, origin)
	}
	// The background goroutines don't reference v, so a verifier that is dropped without Close is collected, and this
	// cleanup then ends them.
	runtime.AddCleanup(v, func(dropped *atomic.Bool) { dropped.Store(true) }, &v.life.dropped)
	return v, nil
}

// Close ends the background goroutines, waits for them, and closes the connections of the verifier's own client. A
// closed verifier still uses what it knows, but fetches nothing more. If a verifier is dropped without Close, the
// garbage collector eventually does the same.
func (v *Verifier) Close() {
	v.life.end()
	if v.client != nil {
		v.client.CloseIdleConnections()
	}
}

// Verify checks raw and returns its token, or an error that is [ErrInvalidToken], [ErrKeysUnavailable] or, with their
// options, [ErrStatusUnavailable] or [ErrIntrospectionUnavailable]. It refuses a token that is bound to a key, because
// the proof is in the request, which only [Verifier.Require] reads. With [DPoPRequired] it refuses all other tokens
// too.
//
// A token with a known key is checked without I/O or lock, and a cached token without cryptography. An unknown kid, or
// the first token, causes one fetch, shared by all callers, at most every 10 s; a call waits for it for 2 s or until
// ctx ends. Where it stays open whether the issuer has the key, one call in 10 s gets [ErrKeysUnavailable], and the
// others [ErrInvalidToken]. Known keys are refreshed in the background before their max-age is over (1 min to 1 h; 5 min
// if the issuer sets none), and at once when a status list names another key set. If the max-age ends without a call,
// the next call waits for the refresh, at most half a second, so that a revoked key is dropped once its max-age is over.
// If the refresh fails, the known keys are used for up to 24 h. The first token that names a status list waits for it
// for at most 2 s.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	// Verify is short enough to be inlined, so that the token can stay on the caller's stack.
	return v.verify(ctx, raw, nil, new(Token))
}

// proving checks the proof that came with a token; jkt is the thumbprint of the key that the token is bound to. It is
// nil for a bearer token.
type proving func(jkt string) error

// verify is Verify, but writes the token to into, which it returns.
func (v *Verifier) verify(ctx context.Context, raw string, prove proving, into *Token) (*Token, error) {
	now := v.now()
	outcome := Cached
	known := v.recall(ctx, raw, now)
	var err error
	if known == nil {
		outcome = Valid
		known, err = v.examine(ctx, raw, prove, now)
	}
	listed := true
	if err == nil {
		listed, err = v.admit(ctx, known, prove, now)
	}
	if err != nil {
		v.metrics.verified(outcomeOf(err))
		return nil, err
	}
	if !listed {
		outcome = Unlisted
	}
	v.metrics.verified(outcome)
	*into = known.token
	return into, nil
}

// recall returns the cached entry of raw if the key that verified it is still in the set, or nil.
func (v *Verifier) recall(ctx context.Context, raw string, now time.Time) *entry {
	known := v.cache.find(raw)
	if known == nil {
		return nil
	}
	key, err := v.keys.key(ctx, known.kid, known.token.IssuedAt, now)
	if err != nil || key != known.key || !now.Before(known.until) || (known.list != nil && known.list.left.Load()) {
		v.cache.drop(known)
		return nil
	}
	return known
}

// examine checks raw from its form to its signature, and caches it.
func (v *Verifier) examine(ctx context.Context, raw string, prove proving, now time.Time) (*entry, error) {
	if len(raw) > maxToken {
		return nil, errTooLong
	}
	if v.introspect != nil && isOpaque(raw) {
		return v.introspect.ask(ctx, raw, now)
	}
	jws, err := split(raw)
	if err != nil {
		return nil, err
	}
	header, err := jws.readHeader()
	if err != nil {
		return nil, err
	}
	if err := header.check(accessTokenType, v.algorithms); err != nil {
		return nil, err
	}
	token, err := jws.claims()
	if err != nil {
		return nil, err
	}
	// This comes before the signature: a token that fails here must cost neither a fetch nor an RSA operation, and an
	// expired token must be reported as expired even while the keys are out of reach.
	if err := v.checkClaims(&token, prove, now); err != nil {
		return nil, err
	}
	key, err := v.keys.tokenKey(ctx, header.kid, token.IssuedAt, now)
	if err != nil {
		return nil, err
	}
	if err := jws.verify(key, header.alg); err != nil {
		return nil, err
	}
	examined := &entry{raw: raw, until: token.Expiry.Add(v.leeway.expiry), token: token, key: key, kid: header.kid}
	if v.lists != nil && token.status.uri != "" {
		examined.list = v.lists.follow(token.status.uri, examined.until, now)
		if examined.list == nil { // asked again next time
			return examined, nil
		}
	}
	v.cache.add(examined, now)
	return examined, nil
}

// admit makes the checks whose results change with time and with the way in which the token was presented. listed is
// false if the token names a status list that is unavailable.
func (v *Verifier) admit(ctx context.Context, known *entry, prove proving, now time.Time) (listed bool, _ error) {
	token := &known.token
	if err := v.checkPossession(token, prove); err != nil {
		return false, err
	}
	listed, err := v.checkStatus(ctx, known, now)
	if err != nil {
		return false, err
	}
	// Read the clock again: the token may have expired during the wait.
	if err := v.leeway.check(token, v.now()); err != nil || prove == nil {
		return listed, err
	}
	return listed, prove(token.jkt) // last, since it uses up the proof
}

func (v *Verifier) checkStatus(ctx context.Context, known *entry, now time.Time) (listed bool, _ error) {
	token := &known.token
	switch {
	case known.list != nil:
		return known.list.check(ctx, token.status.idx, token.IssuedAt, now)
	case v.lists == nil || token.status.uri == "":
		return true, nil
	case v.lists.mode == StatusFailClosed:
		return false, fmt.Errorf("%w: its list is not followed", ErrStatusUnavailable)
	}
	return false, nil
}

// Ready returns nil if tokens can be checked now, and an [ErrKeysUnavailable] otherwise. It never waits. Without keys
// it starts a fetch, with the same cool-down as Verify, so a readiness probe is enough to bring a verifier up.
func (v *Verifier) Ready() error { return v.keys.ready() }

// Wait is like Ready, but waits for the first keys as long as Verify would, at most two seconds.
func (v *Verifier) Wait(ctx context.Context) error { return v.keys.awaitReady(ctx) }

// checkClaims checks the claims as RFC 9068 §4 requires.
func (v *Verifier) checkClaims(token *Token, prove proving, now time.Time) error {
	if token.Issuer != v.issuer {
		return defect("it was issued by another issuer (iss)")
	}
	if !slices.Contains(token.audience, v.audience) {
		return defect("it was issued for another audience (aud)")
	}
	if token.Expiry.Sub(token.IssuedAt) > v.maxAge {
		return defect("it was made to live longer than this service allows (exp)")
	}
	if err := v.checkPossession(token, prove); err != nil {
		return err
	}
	return v.leeway.check(token, now)
}

// checkPossession checks that the token came in the way that its binding requires (RFC 9449 §7.1, §7.2).
func (v *Verifier) checkPossession(token *Token, prove proving) error {
	switch {
	case token.jkt != "" && prove == nil:
		return errBound
	case token.jkt == "" && prove != nil:
		return defect("it is bound to no key, so no proof goes with it (cnf)")
	case token.jkt == "" && v.proofs != nil && v.proofs.mode == DPoPRequired:
		return defect("it is bound to no key, and this service takes no others (cnf)")
	}
	return nil
}

// leeway is how much the clocks of issuer and verifier may differ.
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
