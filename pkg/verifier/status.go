package verifier

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// StatusMode is how a verifier handles the status list that a token names.
type StatusMode int

const (
	// StatusOn refuses tokens that their list revokes. If the list is unavailable, it accepts the token, so that an
	// outage of the issuer refuses no valid token. It is the default.
	StatusOn StatusMode = iota
	// StatusFailClosed is like StatusOn, but returns [ErrStatusUnavailable] while there is no unexpired list.
	StatusFailClosed
	// StatusOff ignores status lists: a token is valid until it expires.
	StatusOff
)

const (
	// maxLists bounds the lists that are followed at once, each by one goroutine. A list has 2^17 sessions.
	maxLists = 256
	// listIdle is how long a list is followed after the last token that needed it. It is longer than the life of any
	// mintmark token; if it were shorter, a revoked token could be accepted again while the list is unavailable.
	listIdle = time.Hour + time.Minute
)

// statusLists are the lists that are followed.
type statusLists struct {
	mode    StatusMode
	origin  *url.URL // of the issuer: lists are read from nowhere else
	issuer  string
	client  *http.Client
	accepts []string      // algorithms
	ahead   time.Duration // by which the issuer's clock may be ahead
	keys    *keySet
	life    *life
	now     func() time.Time
	log     *slog.Logger
	metrics Metrics
	waiters atomic.Int32 // for lists that are being read for the first time

	mu    sync.Mutex // guards lists and told
	lists map[string]*statusList
	// told is when each reason not to follow a list was last logged, so that tokens with such lists do not fill the
	// log. There are few reasons.
	told map[string]time.Time
}

func newStatusLists(s settings, issuer string, origin *url.URL, life *life, keys *keySet) *statusLists {
	return &statusLists{
		mode: s.status, origin: origin, issuer: issuer, client: patiently(s.client), accepts: s.algorithms, ahead: s.leeway.start,
		keys: keys, life: life, now: s.now, log: s.log, metrics: s.metrics,
		lists: make(map[string]*statusList), told: make(map[string]time.Time),
	}
}

// follow returns the list at uri and follows it from now on, for a token that can be accepted until until. It returns
// nil if the list may not be followed.
func (s *statusLists) follow(uri string, until, now time.Time) *statusList {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.lists[uri]; list != nil {
		list.asked.Store(now.Unix())
		if list.until.Before(until) {
			list.until = until
		}
		return list
	}
	err := s.ours(uri)
	if err == nil && len(s.lists) >= maxLists {
		err = fmt.Errorf("%d lists are followed already", maxLists)
	}
	if err != nil {
		if now.Sub(s.told[err.Error()]) >= logEvery {
			s.told[err.Error()] = now
			s.log.Warn("a status list is not followed", "uri", fmt.Sprintf("%.200q", uri), "error", err)
		}
		return nil
	}
	list := &statusList{of: s, uri: uri, until: until, first: newFlight(now)}
	list.asked.Store(now.Unix())
	if !s.life.start(list.run) {
		return nil
	}
	s.lists[uri] = list
	return list
}

// ours checks that uri has the issuer's origin: otherwise a token could send the verifier anywhere.
func (s *statusLists) ours(uri string) error {
	u, err := checkURL(uri, true) // whether http is allowed was decided with the issuer
	if err != nil {
		return err
	}
	if u.Scheme != s.origin.Scheme || !strings.EqualFold(u.Host, s.origin.Host) {
		return fmt.Errorf("it is not of the issuer's origin %s://%s", s.origin.Scheme, s.origin.Host)
	}
	return nil
}

// leave removes list, and returns true, if no caller has needed it lately and the last token that named it has expired.
func (s *statusLists) leave(list *statusList) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Unix()-list.asked.Load() < int64(listIdle/time.Second) || now.Before(list.until) {
		return false
	}
	list.left.Store(true)
	delete(s.lists, list.uri)
	return true
}
