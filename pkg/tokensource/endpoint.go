package tokensource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// maxBody bounds an answer of the token endpoint.
const maxBody = 1 << 20

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
	err        error         // of all others; it contains no text of the authority
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
		return attempt{kind: fate(err), err: fmt.Errorf("ask the authority: %w", cause(err))}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return attempt{err: fmt.Errorf("read the authority's answer: %w", cause(err))}
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

// read classifies an answer. One that makes no sense counts as lost.
func read(response *http.Response, body []byte, presented oauth2.Token, started time.Time) attempt {
	status := response.StatusCode
	said, problem := readAnswer(response.Header, body)
	told := attempt{err: answered(status, said.failure, problem), retryAfter: retryAfter(response.Header, time.Now())}
	switch {
	case status == http.StatusOK && said.accessToken != "" && said.bearer():
		return attempt{kind: granted, token: said.pair(presented, started)}
	case status == http.StatusOK && said.accessToken != "" && said.refreshToken != "":
		// The session goes on with the new refresh token, though this package can't use its access tokens.
		next := said.pair(presented, started)
		next.TokenType = said.tokenType
		return attempt{kind: granted, token: next}
	case status == http.StatusTooManyRequests:
		told.kind = untouched
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && said.failure == "invalid_grant":
		told.kind = ended
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && said.failure != "":
		told.kind = refused
	}
	return told
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
