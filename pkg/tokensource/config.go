package tokensource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// defaultGrace is mintmark's default.
	defaultGrace = 30 * time.Second
	// minGrace leaves time for an attempt and its repeat; maxGrace is the longest that mintmark allows.
	minGrace = 5 * time.Second
	maxGrace = time.Minute
)

// Config is the configuration of a [Source].
type Config struct {
	// TokenURL is the authority's token endpoint: https, or http on loopback.
	TokenURL string
	// ClientID is the client through which the session was begun.
	ClientID string
	// ClientSecret is the secret of a confidential client, sent by HTTP Basic; empty for a public client.
	ClientSecret string
	// Token is the first pair. Its refresh token is required. Without an access token, the first call refreshes; an
	// access token without an expiry is used until a resource calls it invalid.
	Token *oauth2.Token
	// Save stores a new pair where the next start of the program finds it. The source calls it before it uses the pair,
	// from one goroutine at a time. If Save returns an error, the source does not use the pair, and calls Save with it
	// again. The error becomes part of the source's errors, so it must not hold the pair. Save must return soon after its
	// context ends, and must not use the source that calls it. Nil keeps pairs in memory only.
	Save func(context.Context, *oauth2.Token) error
	// Grace is how long the authority answers a repeat with the same successor: its MINTMARK_REFRESH_GRACE, or less. It
	// is 5 s to 1 min; zero means 30 s.
	Grace time.Duration
	// HTTPClient sends the requests to the token endpoint, for example through a proxy or with a private CA. The source
	// uses a copy of it, which follows no redirect.
	HTTPClient *http.Client
}

// String keeps secret and tokens out of logs.
func (c Config) String() string { return "tokensource.Config(REDACTED)" }

// GoString keeps secret and tokens out of logs.
func (c Config) GoString() string { return c.String() }

func (c Config) check() error {
	var problems []error
	if err := checkURL(c.TokenURL); err != nil {
		problems = append(problems, fmt.Errorf("token URL%s: %w", shown(c.TokenURL), err))
	}
	if c.ClientID == "" {
		problems = append(problems, errors.New("the client id is empty: give the client that the session was begun through"))
	}
	if c.Token == nil || c.Token.RefreshToken == "" {
		problems = append(problems, errors.New("there is no refresh token to begin with: log in, or give the one saved last"))
	}
	if c.Grace != 0 && (c.Grace < minGrace || c.Grace > maxGrace) {
		problems = append(problems, fmt.Errorf("grace %v is out of range: use %v to %v, no more than the authority's", c.Grace, minGrace, maxGrace))
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.Save == nil {
		c.Save = func(context.Context, *oauth2.Token) error { return nil }
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// There is one request every few minutes: a kept connection would be dead by then.
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		}}
	}
	strict := *c.HTTPClient
	// A redirect could lead the refresh token anywhere.
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTPClient = &strict
	return c
}

// checkURL returns what is wrong with an address that tokens are sent to.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("want an absolute URL like https://auth.example.com/oauth/token")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("want a URL without user, query and fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("plain http is for loopback: tokens would be read on the way, use https")
	}
	return nil
}

// loopback reports whether host is this machine. Any name other than localhost could resolve to another machine.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && address.IsLoopback())
}
