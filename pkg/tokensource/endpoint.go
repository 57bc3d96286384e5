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
	// maxLife bounds an expires_in, in seconds: beyond it is a mistake, and arithmetic that wraps around.
	maxLife = 10 * 365 * 24 * 3600
)

// kind is what became of an attempt.
type kind int

const (
	unknown   kind = iota // no answer, or trouble: it may have had its effect
	granted               // the new pair is there
	ended                 // invalid_grant: there will never be one
	refused               // the client is at fault, not the token: it had no effect
	untouched             // it never arrived, or was told to wait: it had no effect
)

// attempt is one answer of the token endpoint, or its absence.
type attempt struct {
	kind       kind
	token      *oauth2.Token // of a granted one
	err        error         // of all others; nothing secret is in it
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
	started := time.Now() // the new token ages from when it was asked for: it can't be younger
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

// fate tells whether a request that got no answer may have had its effect: only one that found nobody to talk to has
// surely not.
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

// seconds is a number, which some authorities put into quotes.
type seconds struct {
	value float64
	known bool
}

// UnmarshalJSON never fails: an expiry that makes no sense is one that is not known, and no reason to lose a pair.
func (s *seconds) UnmarshalJSON(text []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if (err == nil || errors.Is(err, strconv.ErrRange)) && value >= 0 {
		*s = seconds{value: math.Min(value, maxLife), known: true}
	}
	return nil
}

// read makes sense of an answer. What makes none is as good as lost.
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
		// The session goes on with the new refresh token, though nobody here can use its access tokens.
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

// bearer says whether the access token is one to be sent alone; one without a type is meant to be.
func (a answer) bearer() bool { return a.TokenType == "" || strings.EqualFold(a.TokenType, "Bearer") }

// pair is the new pair; an authority that sends no refresh token means the old one to be used on (RFC 6749 §6).
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

// retryAfter reads seconds or a date (RFC 9110 §10.2.3); zero without.
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
