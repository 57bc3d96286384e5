package tokensource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// maxBody bounds an answer of the token endpoint.
	maxBody = 1 << 20
	// maxLife bounds an expires_in, in seconds: a larger one is a mistake, and would overflow.
	maxLife = 10 * 365 * 24 * 3600
)

// kind is the outcome of an attempt.
type kind int

const (
	unknown   kind = iota // no usable answer: it may have taken effect
	granted               // with the new pair
	ended                 // invalid_grant: the session is over
	refused               // the client is at fault, not the token: it took no effect
	untouched             // it never arrived, or the authority said to wait: it took no effect
)

// attempt is one answer of the token endpoint, or its absence.
type attempt struct {
	kind       kind
	token      *oauth2.Token // of a granted one
	err        error         // of all others; it contains no secret
	retryAfter time.Duration
}

// endpoint is the token endpoint, as one client sees it (RFC 6749 §6).
type endpoint struct {
	address          string
	clientID, secret string // to be sent; secret is empty for a public client
	client           *http.Client
}

func newEndpoint(cfg Config) *endpoint {
	return &endpoint{address: cfg.TokenURL, clientID: cfg.ClientID, secret: cfg.ClientSecret, client: cfg.HTTPClient}
}

// refresh presents a refresh token once.
func (e *endpoint) refresh(ctx context.Context, presented oauth2.Token) attempt {
	started := time.Now() // the token's life is counted from the request: it can't have begun earlier
	request, err := e.request(ctx, presented.RefreshToken)
	if err != nil {
		return attempt{kind: untouched, err: err}
	}
	response, err := e.client.Do(request)
	if err != nil {
		return attempt{kind: fate(err), err: fmt.Errorf("ask the authority: %w", err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return attempt{err: fmt.Errorf("read the authority's answer: %w", err)}
	}
	return read(response, body, presented, started)
}

func (e *endpoint) request(ctx context.Context, refreshToken string) (*http.Request, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
	if e.secret == "" {
		form.Set("client_id", e.clientID)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "mintmark-tokensource")
	if e.secret != "" {
		request.SetBasicAuth(url.QueryEscape(e.clientID), url.QueryEscape(e.secret)) // RFC 6749 §2.3.1
	}
	return request, nil
}

// fate classifies a request without an answer. Only a request that could not connect surely had no effect.
func fate(err error) kind {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return untouched
	}
	return unknown
}

// answer is the body of RFC 6749 §5.1 and §5.2.
type answer struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    seconds `json:"expires_in"`
	RefreshToken string  `json:"refresh_token"`
	Error        string  `json:"error"`
	Description  string  `json:"error_description"`
}

// seconds is a number, which some authorities send as a string.
type seconds struct {
	value float64
	known bool
}

// UnmarshalJSON never fails: an expiry that makes no sense counts as unknown, and is no reason to lose a pair.
func (s *seconds) UnmarshalJSON(text []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if (err == nil || errors.Is(err, strconv.ErrRange)) && value >= 0 {
		*s = seconds{value: math.Min(value, maxLife), known: true}
	}
	return nil
}

// read classifies an answer. One that makes no sense counts as lost.
func read(response *http.Response, body []byte, presented oauth2.Token, started time.Time) attempt {
	var said answer
	problem := json.Unmarshal(body, &said)
	status := response.StatusCode
	told := attempt{
		err:        fmt.Errorf("the authority answered %d %.100q %.200q", status, said.Error, said.Description),
		retryAfter: retryAfter(response.Header, time.Now()),
	}
	switch {
	case status == http.StatusOK && problem == nil && said.AccessToken != "" && said.bearer():
		return attempt{kind: granted, token: said.pair(presented, started)}
	case status == http.StatusOK && problem == nil && said.AccessToken != "" && said.RefreshToken != "":
		// The session goes on with the new refresh token, though this package can't use its access tokens.
		next := said.pair(presented, started)
		next.TokenType = said.TokenType
		return attempt{kind: granted, token: next}
	case status == http.StatusTooManyRequests:
		told.kind = untouched
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && said.Error == "invalid_grant":
		told.kind = ended
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && said.Error != "":
		told.kind = refused
	}
	return told
}

// bearer reports whether the access token is a bearer token, which a missing type means too.
func (a answer) bearer() bool { return a.TokenType == "" || strings.EqualFold(a.TokenType, "Bearer") }

// pair is the new pair. If the authority sends no refresh token, the old one stays in use (RFC 6749 §6).
func (a answer) pair(presented oauth2.Token, started time.Time) *oauth2.Token {
	next := &oauth2.Token{AccessToken: a.AccessToken, TokenType: "Bearer", RefreshToken: a.RefreshToken}
	if next.RefreshToken == "" {
		next.RefreshToken = presented.RefreshToken
	}
	if a.ExpiresIn.known {
		next.Expiry = started.Add(time.Duration(a.ExpiresIn.value * float64(time.Second)))
	}
	return next
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3); zero without the header.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(0, date.Sub(now)), maxRetryAfter)
	}
	return 0
}
