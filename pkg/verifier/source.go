package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// Bounds and default of the max-age of a JWKS.
	minFresh     = time.Minute
	maxFresh     = time.Hour
	defaultFresh = 5 * time.Minute
	// metadataAge is how long a jwks_uri is used; any failure ends it earlier.
	metadataAge = time.Hour
	// revalidate has caches in between ask the issuer (RFC 9111 §5.2.1.4).
	revalidate = "no-cache"
	// wellKnown is the suffix of RFC 8414 §3.
	wellKnown = "/.well-known/oauth-authorization-server"
)

// source reads the keys that an issuer publishes. It is used by one goroutine at a time.
type source struct {
	issuer      string
	metadataURL string
	allowHTTP   bool
	algorithms  []string // of the keys to keep
	client      *http.Client
	log         *slog.Logger

	metadata metadata  // empty until it is read and after a failure
	readAt   time.Time // when metadata was read
}

// metadata is the part of the issuer's metadata (RFC 8414 §2) that a verifier needs.
type metadata struct {
	jwksURI       string
	introspection string // empty if the issuer has none that can be trusted
}

// published is the result of a fetch: at least one key.
type published struct {
	keys     map[string]*key
	name     string // base64url of the SHA-256 of the JWKS
	metadata metadata
	fresh    time.Duration // how long they may be used without asking again
}

// fetch reads the metadata, if they are missing or old, and the JWKS. cacheControl is what caches in between are told.
func (s *source) fetch(ctx context.Context, now time.Time, cacheControl string) (_ published, err error) {
	defer func() {
		// The JSON reader and jwx parse input from the network: a bug of theirs must not stop the service.
		if p := recover(); p != nil {
			err = fmt.Errorf("read keys: panic: %v", p)
		}
		if err != nil {
			s.metadata = metadata{}
		}
	}()
	if s.metadata.jwksURI == "" || now.Sub(s.readAt) > metadataAge {
		if s.metadata, err = s.discover(ctx); err != nil {
			return published{}, fmt.Errorf("read metadata %s: %w", s.metadataURL, malformed(err))
		}
		s.readAt = now
	}
	found, err := s.get(ctx, s.metadata.jwksURI, cacheControl)
	if err != nil {
		return published{}, fmt.Errorf("read keys %s: %w", s.metadata.jwksURI, err)
	}
	keys, err := parseKeys(found.body, s.algorithms, s.log)
	if err != nil {
		return published{}, fmt.Errorf("read keys %s: %w", s.metadata.jwksURI, malformed(err))
	}
	sum := sha256.Sum256([]byte(found.body))
	return published{keys: keys, name: base64.RawURLEncoding.EncodeToString(sum[:]), metadata: s.metadata, fresh: freshness(found.header)}, nil
}

// discover reads the metadata, whose issuer must be ours to the byte (RFC 8414 §3.3).
func (s *source) discover(ctx context.Context) (metadata, error) {
	found, err := s.get(ctx, s.metadataURL, "")
	if err != nil {
		return metadata{}, err
	}
	return s.readMetadata(found.body)
}

func (s *source) readMetadata(body string) (metadata, error) {
	members, err := parseObject(body)
	if err != nil {
		return metadata{}, err
	}
	var issuer string
	var m metadata
	for _, member := range members {
		switch member.name {
		case "issuer":
			issuer, _ = stringOf(member.value)
		case "jwks_uri":
			m.jwksURI, _ = stringOf(member.value)
		case "introspection_endpoint":
			m.introspection, _ = stringOf(member.value)
		}
	}
	if issuer != s.issuer {
		return metadata{}, fmt.Errorf("its issuer is %.200q, but the verifier is configured for %q", issuer, s.issuer)
	}
	if err := s.checkEndpoint(m.jwksURI); err != nil {
		return metadata{}, fmt.Errorf("its jwks_uri is %.200q: %w", m.jwksURI, err)
	}
	if s.checkEndpoint(m.introspection) != nil {
		m.introspection = "" // callers that need it get an error
	}
	return m, nil
}

// checkEndpoint checks the URL of an endpoint by the rules for the issuer's, and refuses an http endpoint of an https
// issuer.
func (s *source) checkEndpoint(raw string) error {
	u, err := checkURL(raw, s.allowHTTP)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && strings.HasPrefix(s.metadataURL, "https:") && !s.allowHTTP {
		return errors.New("what an https issuer says must be read over https")
	}
	return nil
}

func (s *source) get(ctx context.Context, address, cacheControl string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	if cacheControl != "" {
		request.Header.Set("Cache-Control", cacheControl)
	}
	found, err := ask(s.client, request)
	if err != nil {
		return answer{}, err
	}
	return found, found.wantOK()
}

// freshness returns how long an answer may be used without asking again (RFC 9111 §4.2), within our bounds. The
// strictest directive applies.
func freshness(header http.Header) time.Duration {
	fresh := defaultFresh
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age, _ := strconv.ParseUint(header.Get("Age"), 10, 31)
				fresh = time.Duration(seconds)*time.Second - time.Duration(age)*time.Second
			}
		}
	}
	return min(max(fresh, minFresh), maxFresh)
}

// metadataURL returns where the issuer's metadata is: the well-known part stands before the issuer's path (RFC 8414 §3.1).
func metadataURL(issuer string, allowHTTP bool) (string, error) {
	u, err := checkURL(issuer, allowHTTP)
	if err != nil {
		return "", fmt.Errorf("issuer %q: %w", issuer, err)
	}
	return u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// checkURL parses raw, and returns an error if keys from there can't be trusted.
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

// loopback reports whether host is this machine. Any name other than localhost could resolve to another machine.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && address.IsLoopback())
}
