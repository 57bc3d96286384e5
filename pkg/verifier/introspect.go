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
	"sync/atomic"
	"time"
)

const (
	// believed is how long the issuer's answer about an opaque token is used without asking again: a session that ends
	// there must end here within 5 s.
	believed = 4 * time.Second
	// askTimeout bounds one question, its time in the queue, and how long callers wait for its answer.
	askTimeout = 2 * time.Second
	// maxQuestions bounds the questions under way, and maxQueue those under way and waiting; further callers get an
	// error at once. Tokens that were never good take maxStrange of these places at most.
	maxQuestions = 64
	maxQueue     = 1536
	maxStrange   = 1024
	// respite is how long the verifier asks nothing after it could not reach the issuer.
	respite = time.Second
	// maxOpaque bounds an opaque token, so that a long one can't make the issuer close the connection.
	maxOpaque = 4 << 10
	// refreshPrefix begins mintmark's refresh tokens, which are only for the authority's token endpoint.
	refreshPrefix = "mrt_"
	// refusalsSize is how many refused tokens are cached, apart from the valid ones: garbage must not evict valid
	// tokens.
	refusalsSize = 1024
)

// credentials are the credentials of this service as a client of the issuer.
type credentials struct{ id, secret string }

// String and the three methods below keep the secret out of logs.
func (c credentials) String() string               { return c.id + ":REDACTED" }
func (c credentials) GoString() string             { return c.String() }
func (c credentials) LogValue() slog.Value         { return slog.StringValue(c.String()) }
func (c credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// introspector asks the issuer about tokens that the verifier cannot check itself (RFC 7662).
type introspector struct {
	v           *Verifier
	credentials credentials
	client      *http.Client
	log         *slog.Logger
	good        *cache
	refused     *cache
	places      chan struct{} // held by the questions under way
	waiters     atomic.Int32  // for answers about tokens that were good before
	strangers   atomic.Int32  // for answers about others

	mu        sync.Mutex // guards what follows
	questions map[string]*question
	strange   int       // of the questions: about tokens that were never good
	asking    int       // of those: that were sent
	budget    budget    // of answers about tokens that the issuer did not know
	answers   bool      // the last question got an answer
	resumeAt  time.Time // when the issuer may be asked again
	failing   bool      // the last question got none
}

var errSpent = errors.New("too many tokens that the issuer did not know were asked about")

var errRespite = errors.New("the issuer could not be reached a moment ago")

// question is a question under way, shared by all callers that ask about the same token.
type question struct {
	*flight
	strange bool // its token was never good, as far as we remember
	counted bool // in asking; used by the goroutine of the question alone
	entry   *entry
	err     error
}

func newIntrospector(s settings, v *Verifier) *introspector {
	return &introspector{
		v: v, credentials: *s.introspection, client: s.client, log: s.log,
		good: newCache(s.cacheSize), refused: newCache(min(s.cacheSize, refusalsSize)),
		places: make(chan struct{}, maxQuestions), questions: make(map[string]*question),
	}
}

// isOpaque reports whether raw may be an opaque access token (RFC 6750 §2.1): not a JWT of any kind, and not a refresh
// token.
func isOpaque(raw string) bool {
	if raw == "" || len(raw) > maxOpaque || strings.HasPrefix(raw, "eyJ") || strings.HasPrefix(raw, refreshPrefix) || strings.Count(raw, ".") == 2 {
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

// ask returns the issuer's answer about raw, from now or from a moment ago.
func (i *introspector) ask(ctx context.Context, raw string, now time.Time) (*entry, error) {
	for _, c := range []*cache{i.good, i.refused} {
		if e := c.find(raw); e != nil && now.Before(e.until) {
			return e, e.err
		}
	}
	strange := i.good.find(raw) == nil
	q, err := i.pose(raw, strange, now)
	if err == nil {
		err = q.wait(ctx, askTimeout, i.crowd(strange))
	}
	if err == nil {
		err = q.err
	}
	switch {
	case err == nil || errors.Is(err, ErrInvalidToken):
		return q.entry, err
	case strange && i.isPress(err) && !i.v.keys.mayDoubt(now):
		return nil, errUnasked
	}
	return nil, fmt.Errorf("%w: %w", ErrIntrospectionUnavailable, err)
}

// crowd counts the callers that wait, apart for tokens that anybody may have invented.
func (i *introspector) crowd(strange bool) *atomic.Int32 {
	if strange {
		return &i.strangers
	}
	return &i.waiters
}

// isPress reports whether err comes from too many questions, and not from an issuer that fails: anybody can bring it
// about.
func (i *introspector) isPress(err error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return errors.Is(err, errSpent) || errors.Is(err, errCrowded) || (errors.Is(err, errSlow) && i.answers)
}

// pose returns the question about raw that is under way, or a new one, which goes on if its first caller leaves.
func (i *introspector) pose(raw string, strange bool, now time.Time) (*question, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if q := i.questions[raw]; q != nil {
		return q, nil
	}
	switch {
	case now.Before(i.resumeAt):
		return nil, errRespite
	case len(i.questions) >= maxQueue, strange && i.strange >= maxStrange:
		return nil, errCrowded
	case strange && i.budget.isSpent(time.Now(), 0):
		return nil, errSpent
	}
	q := &question{flight: newFlight(now), strange: strange}
	if !i.v.life.start(func(ctx context.Context) { i.answer(ctx, q, raw) }) {
		return nil, errClosed
	}
	if i.questions[raw] = q; strange {
		i.strange++
	}
	return q, nil
}

func (i *introspector) answer(ctx context.Context, q *question, raw string) {
	token, asked, err := i.inTurn(ctx, q, raw)
	now := i.v.now()
	e := &entry{raw: raw, until: asked.Add(believed), token: token}
	switch {
	case errors.Is(err, ErrInvalidToken):
		e.err = err
		i.refused.add(e, now)
	case err == nil:
		if token.Expiry.IsZero() {
			e.token.Expiry = e.until
		} else if token.Expiry.Before(e.until) {
			e.until = token.Expiry
		}
		i.good.add(e, now)
	}
	q.entry, q.err = e, err
	i.settle(q, raw)
	close(q.done)
}

// settle strikes a question off, and spends what an answer costs that the issuer does not know the token.
func (i *introspector) settle(q *question, raw string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if delete(i.questions, raw); q.strange {
		i.strange--
	}
	if q.counted {
		i.asking--
	}
	if errors.Is(q.err, ErrInvalidToken) {
		i.budget = i.budget.spend(time.Now())
	}
}

// inTurn asks the issuer as soon as there is a place, and records the outcome. asked is when the question was sent,
// which is what the answer's age is counted from.
func (i *introspector) inTurn(ctx context.Context, q *question, raw string) (_ Token, asked time.Time, _ error) {
	turn := time.NewTimer(askTimeout)
	defer turn.Stop()
	select {
	case i.places <- struct{}{}:
		defer func() { <-i.places }()
	case <-turn.C:
		return Token{}, time.Time{}, errSlow
	case <-ctx.Done():
		return Token{}, time.Time{}, errClosed
	}
	asked = i.v.now()
	if err := i.admit(q, asked); err != nil {
		return Token{}, time.Time{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	token, err := i.post(ctx, raw)
	trouble := err
	if errors.Is(err, ErrInvalidToken) { // the issuer has answered
		trouble = nil
	}
	now := i.v.now()
	i.v.metrics.fetched("introspection", now.Sub(asked), trouble)
	i.note(trouble, now)
	return token, asked, err
}

// admit returns why the question whose turn it is may not be sent: since it was queued, the issuer may have failed, or
// others may have taken the budget.
func (i *introspector) admit(q *question, now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case now.Before(i.resumeAt):
		return errRespite
	case q.strange && i.budget.isSpent(time.Now(), i.asking):
		return errSpent
	case q.strange:
		q.counted = true
		i.asking++
	}
	return nil
}

// note records the outcome of a question, so that a run of failures does not fill the log or keep callers waiting in
// vain.
func (i *introspector) note(trouble error, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if errors.As(trouble, new(*url.Error)) { // of net/http: there was no answer
		i.resumeAt = now.Add(respite)
	}
	failing := trouble != nil
	switch {
	case failing && !i.failing:
		i.log.Warn("the issuer could not be asked about a token", "issuer", i.v.issuer, "error", trouble)
	case !failing && i.failing:
		i.log.Info("the issuer answers about tokens again", "issuer", i.v.issuer)
	}
	i.failing, i.answers = failing, !failing
}

// post asks the issuer.
func (i *introspector) post(ctx context.Context, raw string) (_ Token, err error) {
	defer func() {
		if p := recover(); p != nil { // input from the network must not stop the service
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := i.v.keys.awaitReady(ctx); err != nil { // the endpoint is in the metadata that named the keys
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
	token, kind := Token{payload: body}, "Bearer"
	members, err := parseObject(body)
	if err != nil {
		return Token{}, malformed(err)
	}
	active := false
	for _, m := range members {
		switch m.name {
		case "active":
			active = m.value == "true"
		case "token_type":
			kind, _ = stringOf(m.value)
		}
	}
	if !active {
		return Token{}, defect("the issuer says that it is not active")
	}
	if err := token.read(); err != nil {
		return Token{}, err
	}
	token.status = reference{} // the issuer has just checked it
	switch {
	case token.Subject == "":
		return Token{}, missing("sub")
	case token.ClientID == "":
		return Token{}, missing("client_id")
	case token.Issuer != "" && token.Issuer != v.issuer:
		return Token{}, defect("it was issued by another issuer (iss)")
	case !slices.Contains(token.audience, v.audience):
		return Token{}, defect("it was issued for another audience (aud)")
	case !strings.EqualFold(kind, schemeBearer) && (!strings.EqualFold(kind, schemeDPoP) || token.jkt == ""):
		return Token{}, defect("it is no access token, or not bound as its type says (token_type)") // a refresh token is active, too
	}
	token.Issuer = v.issuer
	return token, nil
}
