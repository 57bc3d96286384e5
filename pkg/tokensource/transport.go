package tokensource

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxDrain is how much of an answer is read so that its connection can be reused.
const maxDrain = 64 << 10

// transport is the [http.RoundTripper] of a [Source].
type transport struct {
	source  *Source
	base    http.RoundTripper
	origins []string
}

// Transport returns an [http.RoundTripper] that sends the source's access token with every request to one of origins,
// such as "https://orders.example.com". It sends requests to other origins, as after a redirect, without a token. base
// sends the requests; nil means [http.DefaultTransport].
//
// When the resource calls the token invalid (401 with error="invalid_token", RFC 6750 §3.1), the transport gets a new
// token and sends the request once more, if it can read the body again ([http.Request] GetBody). If it can't, the
// requests that follow use the new token. A resource that keeps calling valid tokens invalid causes at most one refresh
// every 30 s; the caller sees its 401.
func (s *Source) Transport(base http.RoundTripper, origins ...string) (http.RoundTripper, error) {
	if len(origins) == 0 {
		return nil, errors.New("there is no origin to send tokens to: give one like https://orders.example.com")
	}
	var problems []error
	own := &transport{source: s, base: base}
	for n, origin := range origins {
		u, err := url.Parse(origin)
		if problem := checkURL(origin); problem != nil {
			problems = append(problems, fmt.Errorf("origin %d%s: %w", n+1, shown(origin), problem))
		} else if err != nil || strings.Trim(u.Path, "/") != "" {
			problems = append(problems, fmt.Errorf("origin %d%s: want scheme, host and port alone", n+1, shown(origin)))
		} else {
			own.origins = append(own.origins, originOf(u))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("configure transport: %w", err)
	}
	if base == nil {
		own.base = http.DefaultTransport
	}
	return own, nil
}

// RoundTrip does not change the request it is given.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !slices.Contains(t.origins, originOf(r.URL)) {
		return t.base.RoundTrip(r)
	}
	token, err := t.source.TokenContext(r.Context())
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	response, err := t.base.RoundTrip(authorized(r, token.AccessToken))
	if err != nil || !callsInvalid(response) {
		return response, err
	}
	if !replayable(r) {
		_, _, _ = t.source.renew(token.AccessToken) // for the requests that follow
		return response, nil
	}
	next, err := t.source.renewed(r.Context(), token.AccessToken)
	if err != nil {
		return response, nil //nolint:nilerr // the resource's own answer is what there is
	}
	again := authorized(r, next.AccessToken)
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return response, nil //nolint:nilerr // likewise
		}
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxDrain)
	response.Body.Close()
	return t.base.RoundTrip(again)
}

func authorized(r *http.Request, accessToken string) *http.Request {
	own := r.Clone(r.Context())
	own.Header.Set("Authorization", "Bearer "+accessToken)
	return own
}

// replayable reports whether the request can be sent twice.
func replayable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// callsInvalid reports whether the answer says that the token is invalid, so that a new one may help.
func callsInvalid(response *http.Response) bool {
	if response.StatusCode != http.StatusUnauthorized {
		return false
	}
	return slices.ContainsFunc(challenges(response.Header.Values("WWW-Authenticate")), func(c challenge) bool {
		return strings.EqualFold(c.scheme, "Bearer") && c.parameters["error"] == "invalid_token"
	})
}

// originOf is scheme, host and port in one spelling (RFC 6454 §4).
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
