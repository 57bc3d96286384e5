package verifier

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxBody bounds an answer after decompression.
	maxBody = 1 << 20
	// Bounds and default of the max-age of a JWKS.
	minFresh     = time.Minute
	maxFresh     = time.Hour
	defaultFresh = 5 * time.Minute
	// metadataAge is how long a jwks_uri is believed; any failure ends it earlier.
	metadataAge = time.Hour
	// wellKnown is the suffix of RFC 8414 §3.
	wellKnown = "/.well-known/oauth-authorization-server"
)

// source reads the keys that an issuer publishes. It is used by one goroutine at a time.
type source struct {
	issuer      string
	metadataURL string
	allowHTTP   bool
	client      *http.Client
	log         *slog.Logger

	jwksURI string    // from the metadata; empty until it is read and after a failure
	readAt  time.Time // when jwksURI was read
}

// published is what a fetch found: at least one key.
type published struct {
	keys   map[string]*rsa.PublicKey
	maxAge time.Duration
}

// fetch reads the metadata if need be, and the JWKS.
func (s *source) fetch(ctx context.Context, now time.Time) (found published, err error) {
	defer func() {
		// The JSON reader and jwx read what came over the network: no defect of theirs may stop the service.
		if p := recover(); p != nil {
			err = fmt.Errorf("read keys: panic: %v", p)
		}
		if err != nil {
			s.jwksURI = ""
		}
	}()
	if s.jwksURI == "" || now.Sub(s.readAt) > metadataAge {
		if s.jwksURI, err = s.discover(ctx); err != nil {
			return published{}, fmt.Errorf("read metadata %s: %w", s.metadataURL, err)
		}
		s.readAt = now
	}
	body, header, err := s.get(ctx, s.jwksURI)
	if err != nil {
		return published{}, fmt.Errorf("read keys %s: %w", s.jwksURI, err)
	}
	keys, err := parseKeys(body, s.log)
	if err != nil {
		return published{}, fmt.Errorf("read keys %s: %w", s.jwksURI, err)
	}
	return published{keys: keys, maxAge: freshness(header)}, nil
}

// discover returns the jwks_uri of the metadata, which must be the issuer's own to the byte (RFC 8414 §3.3).
func (s *source) discover(ctx context.Context) (string, error) {
	body, _, err := s.get(ctx, s.metadataURL)
	if err != nil {
		return "", err
	}
	members, err := parseObject(body)
	if err != nil {
		return "", malformed(err)
	}
	var issuer, jwksURI string
	for _, m := range members {
		switch m.name {
		case "issuer":
			issuer, _ = stringOf(m.value)
		case "jwks_uri":
			jwksURI, _ = stringOf(m.value)
		}
	}
	if issuer != s.issuer {
		return "", fmt.Errorf("its issuer is %.200q, but the verifier is configured for %q", issuer, s.issuer)
	}
	if err := s.checkJWKSURI(jwksURI); err != nil {
		return "", fmt.Errorf("its jwks_uri is %.200q: %w", jwksURI, err)
	}
	return jwksURI, nil
}

// checkJWKSURI holds the jwks_uri to the rule of the issuer, and keeps an https issuer from leading to http.
func (s *source) checkJWKSURI(raw string) error {
	u, err := checkURL(raw, s.allowHTTP)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && strings.HasPrefix(s.metadataURL, "https:") && !s.allowHTTP {
		return errors.New("the keys of an https issuer must be read over https")
	}
	return nil
}

func (s *source) get(ctx context.Context, address string) (string, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", nil, err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	request.Header.Set("User-Agent", "mintmark-verifier")
	response, err := s.client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("the answer is %d, want 200 (redirects are not followed)", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return "", nil, err
	}
	if len(body) > maxBody {
		return "", nil, errors.New("the answer is larger than 1 MiB")
	}
	return string(body), response.Header, nil
}

// withoutRedirects copies client: a redirect could lead the verifier anywhere, to a foreign host or to http.
func withoutRedirects(client *http.Client) *http.Client {
	if client == nil {
		return nil
	}
	strict := *client
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &strict
}

// freshness is how long an answer may be used without asking again (RFC 9111 §4.2), within our bounds.
func freshness(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			fresh, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return defaultFresh
			}
			age, _ := strconv.ParseUint(header.Get("Age"), 10, 31)
			return min(max(time.Duration(fresh)*time.Second-time.Duration(age)*time.Second, minFresh), maxFresh)
		}
	}
	return defaultFresh
}

// metadataURL returns where the issuer's metadata is: the well-known part stands before the issuer's path (RFC 8414 §3.1).
func metadataURL(issuer string, allowHTTP bool) (string, error) {
	u, err := checkURL(issuer, allowHTTP)
	if err != nil {
		return "", fmt.Errorf("issuer %q: %w", issuer, err)
	}
	return u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// checkURL returns raw parsed, if keys read from there can be trusted.
func checkURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, errors.New("want an absolute URL like https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return nil, errors.New("want a URL without user, query and fragment")
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return nil, errors.New("plain http is for loopback: use https, or InsecureAllowHTTP on a closed test network")
	}
	return u, nil
}

// loopback says whether host is this machine; a name but localhost could be resolved to any other.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && address.IsLoopback())
}
