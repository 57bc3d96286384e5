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

// StatusMode says what a verifier does with the status list that a token names.
type StatusMode int

const (
	// StatusOn is the default: it refuses tokens that their list revokes, and goes on without a list that cannot be had: an
	// outage of the issuer refuses no good token.
	StatusOn StatusMode = iota
	// StatusFailClosed also refuses, with [ErrStatusUnavailable], while there is no list that has not expired.
	StatusFailClosed
	// StatusOff looks at no list: a token is good until it expires.
	StatusOff
)

const (
	// maxLists bounds the lists that are followed at once, each by one goroutine: 2^17 sessions a list.
	maxLists = 256
	// listIdle is how long a list is followed after the last token that asked for it: longer than any token of mintmark's
	// lives. Were it less, a token that is known to be revoked could come back while the list cannot be had again.
	listIdle = time.Hour + time.Minute
)

// statusLists are the lists that are followed.
type statusLists struct {
	mode    StatusMode
	origin  *url.URL // of the issuer: lists are read nowhere else
	issuer  string
	client  *http.Client
	accepts []string      // algorithms
	ahead   time.Duration // by which the issuer's clock may be in the future
	keys    *keySet
	life    *life
	now     func() time.Time
	log     *slog.Logger
	metrics Metrics
	waiters atomic.Int32 // for lists that are being read for the first time

	mu    sync.Mutex // guards lists and told
	lists map[string]*statusList
	// told is when each reason not to follow a list was last reported, so that tokens which name such lists do not fill
	// the log. There are few reasons.
	told map[string]time.Time
}

func newStatusLists(s settings, issuer string, origin *url.URL, life *life, keys *keySet) *statusLists {
	return &statusLists{
		mode: s.status, origin: origin, issuer: issuer, client: patiently(s.client), accepts: s.algorithms, ahead: s.leeway.start,
		keys: keys, life: life, now: s.now, log: s.log, metrics: s.metrics,
		lists: make(map[string]*statusList), told: make(map[string]time.Time),
	}
}

// follow returns the list at uri, which is followed from now on, for a token that can be accepted until then; nil where it is
// not to be followed.
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

// ours says whether uri is of the issuer's own origin: a list elsewhere would let a token send the verifier anywhere.
func (s *statusLists) ours(uri string) error {
	u, err := checkURL(uri, true) // whether http is allowed has been decided with the issuer
	if err != nil {
		return err
	}
	if u.Scheme != s.origin.Scheme || !strings.EqualFold(u.Host, s.origin.Host) {
		return fmt.Errorf("it is not of the issuer's origin %s://%s", s.origin.Scheme, s.origin.Host)
	}
	return nil
}

// leave takes list off, if nobody has asked for it lately and the last token that named it is dead, and says whether it did.
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
