package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// believed is how long the issuer's word on an opaque token is taken without asking again.
	believed = 10 * time.Second
	// askTimeout bounds one question.
	askTimeout = 2 * time.Second
	// maxQuestions bounds those under way; those beyond are told at once.
	maxQuestions = 64
	// refusalsSize is how many refused tokens are remembered, apart from the good ones: garbage must not evict them.
	refusalsSize = 1024
)

// credentials are those of this service as a client of the issuer.
type credentials struct{ id, secret string }

// LogValue keeps the secret out of logs.
func (c credentials) LogValue() slog.Value { return slog.StringValue(c.id + ":REDACTED") }

func (c credentials) String() string { return c.id + ":REDACTED" }

// introspector asks the issuer about tokens that cannot be checked here (RFC 7662).
type introspector struct {
	v           *Verifier
	credentials credentials
	client      *http.Client
	log         *slog.Logger
	good        *cache
	refused     *cache

	mu        sync.Mutex // guards questions
	questions map[string]*question
}

// question is one that is under way, for all who ask about the same token.
type question struct {
	done  chan struct{}
	entry *entry
	err   error
}

func newIntrospector(s settings, v *Verifier) *introspector {
	return &introspector{
		v: v, credentials: *s.introspection, client: withoutRedirects(s.client), log: s.log,
		good: newCache(s.cacheSize), refused: newCache(min(s.cacheSize, refusalsSize)), questions: make(map[string]*question),
	}
}

// isOpaque says whether raw is a token (RFC 6750 §2.1) and not a JWT of whatever kind: those are for nobody but us.
func isOpaque(raw string) bool {
	if raw == "" || strings.HasPrefix(raw, "eyJ") || strings.Count(raw, ".") == 2 {
		return false
	}
	for i := range len(raw) {
		c := raw[i] | 0x20 // a letter in lower case
		if (c < 'a' || c > 'z') && (raw[i] < '0' || raw[i] > '9') && strings.IndexByte("-._~+/=", raw[i]) < 0 {
			return false
		}
	}
	return true
}

// ask returns what the issuer says of raw, now or a moment ago.
func (i *introspector) ask(ctx context.Context, raw string, now time.Time) (*entry, error) {
	for _, c := range []*cache{i.good, i.refused} {
		if e := c.find(raw); e != nil && now.Before(e.until) {
			return e, e.err
		}
	}
	q, err := i.pose(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIntrospectionUnavailable, err)
	}
	select {
	case <-q.done:
		return q.entry, q.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrIntrospectionUnavailable, ctx.Err())
	}
}

// pose returns the question about raw that is under way, or a new one. It goes on when its first caller leaves.
func (i *introspector) pose(raw string) (*question, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if q := i.questions[raw]; q != nil {
		return q, nil
	}
	if len(i.questions) >= maxQuestions {
		return nil, errCrowded
	}
	q := &question{done: make(chan struct{})}
	if !i.v.life.start(func(ctx context.Context) { i.answer(ctx, q, raw) }) {
		return nil, errClosed
	}
	i.questions[raw] = q
	return q, nil
}

func (i *introspector) answer(ctx context.Context, q *question, raw string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	start := i.v.now()
	token, err := i.post(ctx, raw)
	now := i.v.now()
	e := &entry{raw: raw, until: now.Add(believed), token: token}
	switch {
	case errors.Is(err, ErrInvalidToken):
		i.v.metrics.fetched("introspection", now.Sub(start), nil)
		e.err = err
		i.refused.add(e, now)
	case err != nil:
		i.v.metrics.fetched("introspection", now.Sub(start), err)
		i.log.Warn("the issuer could not be asked about a token", "issuer", i.v.issuer, "error", err)
		err = fmt.Errorf("%w: %w", ErrIntrospectionUnavailable, err)
	default:
		i.v.metrics.fetched("introspection", now.Sub(start), nil)
		if token.Expiry.IsZero() {
			e.token.Expiry = e.until
		} else if token.Expiry.Before(e.until) {
			e.until = token.Expiry
		}
		i.good.add(e, now)
	}
	q.entry, q.err = e, err
	i.mu.Lock()
	delete(i.questions, raw)
	i.mu.Unlock()
	close(q.done)
}

// post asks the issuer.
func (i *introspector) post(ctx context.Context, raw string) (_ Token, err error) {
	defer func() {
		if p := recover(); p != nil { // what came over the network must not stop the service
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := i.v.keys.awaitReady(ctx); err != nil { // the endpoint is in the metadata that the keys came by
		return Token{}, err
	}
	endpoint := i.v.keys.current.Load().metadata.introspection
	if endpoint == "" {
		return Token{}, errors.New("the issuer's metadata name no usable introspection_endpoint")
	}
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(url.QueryEscape(i.credentials.id), url.QueryEscape(i.credentials.secret)) // RFC 6749 §2.3.1
	found, err := ask(i.client, request)
	if err != nil {
		return Token{}, err
	}
	if err := found.wantOK(); err != nil {
		return Token{}, err
	}
	return i.v.readIntrospection(found.body)
}

// readIntrospection reads an answer (RFC 7662 §2.2): an active token for our audience, or a defect.
func (v *Verifier) readIntrospection(body string) (Token, error) {
	token := Token{payload: body}
	members, err := parseObject(body)
	if err != nil {
		return Token{}, malformed(err)
	}
	active := slices.ContainsFunc(members, func(m member) bool { return m.name == "active" && m.value == "true" })
	if !active {
		return Token{}, defect("the issuer says that it is not active")
	}
	if err := token.read(); err != nil {
		return Token{}, err
	}
	token.status = reference{} // the issuer has just looked
	switch {
	case token.Issuer != "" && token.Issuer != v.issuer:
		return Token{}, defect("it was issued by another issuer (iss)")
	case !slices.Contains(token.audience, v.audience):
		return Token{}, defect("it was issued for another audience (aud)")
	}
	token.Issuer = v.issuer
	return token, nil
}
