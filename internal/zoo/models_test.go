package zoo_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"time"
)

// model says how a verifier that can't run here comes by its keys.
type model struct {
	name     string
	ttl      time.Duration // age at which the set is fetched anew
	timer    bool          // fetched by a timer; otherwise by the first token after ttl
	behind   bool          // that first token is still checked against the old set
	unknown  unknown       // what a kid that is not in the set does
	cooldown time.Duration // between two fetches for unknown kids
	lastGood time.Duration // how long a replaced set still serves, after it last did
	keepsKey bool          // a key that was found once is never looked up again
}

// unknown is what happens to a token whose kid is not in the set.
type unknown int

const (
	refuse      unknown = iota // it is refused, and nothing is fetched
	fetchForIt                 // the set is fetched, and the token checked again
	fetchAfter                 // the set is fetched for the tokens after it; this one is refused
	neverCooled = time.Duration(0)
)

// The models. Each number is a default of the product, with where it is said.
var (
	// learn.microsoft.com, ConfigurationManager<T>: DefaultAutomaticRefreshInterval 12 h (plus up to a twentieth of it by
	// chance), DefaultRefreshInterval 5 min. An unknown kid calls RequestRefresh, which serves the next request:
	// aspnet/AspNetKatana#342; since 8.0.2 in the background (identitymodel-extensions#3008, #3040; later versions may try
	// again at once, #3082). DefaultLastKnownGoodConfigurationLifetime 1 h: BaseConfigurationManager, #1723.
	aspNet = model{name: "ASP.NET Core JwtBearer", ttl: 12*time.Hour + 36*time.Minute, behind: true, unknown: fetchAfter, cooldown: 5 * time.Minute, lastGood: time.Hour}
	// spring-projects/spring-security#19643 (7.1): NimbusJwtDecoder takes Nimbus's cache of 5 min, with refresh-ahead and
	// rate limit switched off; an unknown kid is looked up at once.
	spring = model{name: "Spring Security", ttl: 5 * time.Minute, unknown: fetchForIt, cooldown: neverCooled}
	// connect2id.com, "JWK set retrieval with rate-limiting, caching and retrial": JWKSourceBuilder keeps a set for 5 min and
	// fetches at most every 30 s for unknown kids. Its refresh-ahead of 30 s is left out: it only makes it sooner.
	nimbus = model{name: "Nimbus JOSE+JWT", ttl: 5 * time.Minute, unknown: fetchForIt, cooldown: 30 * time.Second}
	// panva/jose, docs/jwks/remote/interfaces/RemoteJWKSetOptions.md: cacheMaxAge 600000, cooldownDuration 30000.
	jose = model{name: "jose (Node.js)", ttl: 10 * time.Minute, unknown: fetchForIt, cooldown: 30 * time.Second}
	// jpadilla/pyjwt#781: lifespan 300 s, an unknown kid is looked up at once; cache_keys is off by default since.
	pyJWT = model{name: "PyJWT PyJWKClient", ttl: 5 * time.Minute, unknown: fetchForIt, cooldown: neverCooled}
	// jpadilla/pyjwt#1051: cache_keys=True puts an lru_cache of 16 keys without an end before all that.
	pyJWTKeeping = model{name: "PyJWT, cache_keys=True", ttl: 5 * time.Minute, unknown: fetchForIt, cooldown: neverCooled, keepsKey: true}
	// envoyproxy/envoy, jwt_authn/v3/config.proto: cache_duration 10 min; #39643: an unknown kid fetches nothing.
	envoy      = model{name: "Envoy jwt_authn", ttl: 10 * time.Minute, unknown: refuse}
	envoyAsync = model{name: "Envoy, async_fetch", ttl: 10 * time.Minute, timer: true, unknown: refuse}
	// istio/istio, releasenotes/notes/30014.yaml: PILOT_JWT_PUB_KEY_REFRESH_INTERVAL 20m; #41588, #49044: an unknown kid
	// fetches nothing. That istiod pushes the set to the proxies within seconds is left out.
	istio = model{name: "Istio", ttl: 20 * time.Minute, timer: true, unknown: refuse}
)

// simulator interprets a model. A signature needs no check here: what decides is whether the kid is known.
type simulator struct {
	model
	client *http.Client

	mu       sync.Mutex // guards all below
	set      map[string]bool
	fetched  time.Time
	asked    time.Time // last fetch for an unknown kid
	old      []oldSet
	good     time.Time // when set last knew a kid
	keptKeys map[string]bool
}

type oldSet struct {
	set   map[string]bool
	until time.Time
}

// tick fetches by the timer until ctx ends.
func (s *simulator) tick(ctx context.Context) {
	ticker := time.NewTicker(s.ttl)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.mu.Lock()
			_ = s.fetch(ctx, time.Now()) // a set that could not be had leaves the old one
			s.mu.Unlock()
		}
	}
}

// knows reports whether a token with the kid is accepted at now.
func (s *simulator) knows(ctx context.Context, kid string, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keptKeys[kid] {
		return true, nil
	}
	late := false // the set is too old, but serves this once
	if s.set == nil || !s.timer && now.Sub(s.fetched) >= s.ttl {
		if late = s.behind && s.set != nil; !late {
			if err := s.fetch(ctx, now); err != nil {
				return false, err
			}
		}
	}
	known, err := s.find(ctx, kid, now)
	if err == nil && late {
		err = s.fetch(ctx, now)
	}
	if known && s.keepsKey {
		s.keptKeys[kid] = true
	}
	return known, err
}

func (s *simulator) find(ctx context.Context, kid string, now time.Time) (bool, error) {
	if s.set[kid] {
		s.good = now
		return true, nil
	}
	if s.unknown == refuse || !s.asked.IsZero() && now.Sub(s.asked) < s.cooldown {
		return s.remembers(kid, now), nil
	}
	s.asked = now
	if err := s.fetch(ctx, now); err != nil {
		return false, err
	}
	return s.unknown == fetchForIt && s.set[kid] || s.remembers(kid, now), nil
}

// remembers reports whether a replaced set that still serves has the kid.
func (s *simulator) remembers(kid string, now time.Time) bool {
	for _, old := range s.old {
		if old.set[kid] && now.Before(old.until) {
			return true
		}
	}
	return false
}

func (s *simulator) fetch(ctx context.Context, now time.Time) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, jwksURL, http.NoBody)
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var document struct{ Keys []struct{ KID string } }
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		return err
	}
	set := make(map[string]bool, len(document.Keys))
	for _, key := range document.Keys {
		set[key.KID] = true
	}
	if s.lastGood > 0 && !maps.Equal(set, s.set) {
		s.old = append(s.old, oldSet{s.set, s.good.Add(s.lastGood)})
	}
	s.set, s.fetched = set, now
	return nil
}
