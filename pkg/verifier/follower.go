package verifier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// logEvery is how often a problem that persists is logged.
const logEvery = time.Minute

// statusList is one list. A goroutine of its own follows it, with a request that waits for the next version.
type statusList struct {
	of      *statusLists
	uri     string
	current atomic.Pointer[statuses] // nil until the first is read
	asked   atomic.Int64             // when a token last asked, in Unix seconds
	until   time.Time                // when the last token that named it expires; guarded by of.mu
	left    atomic.Bool              // it is no longer followed, and its entry in the set is gone
	first   *flight                  // the first attempt
}

// check returns nil if a token issued at issuedAt is still valid, errRevoked, another defect if the list cannot be
// about this token, or [ErrStatusUnavailable]. listed is true only if an unexpired list says so.
//
// An expired list still counts for the sessions that it revokes, because a revoked session never comes back. For other
// sessions it is out of date.
func (l *statusList) check(ctx context.Context, idx uint64, issuedAt, now time.Time) (listed bool, _ error) {
	if second := now.Unix(); l.asked.Load() != second {
		l.asked.Store(second)
	}
	list := l.current.Load()
	var problem error
	if list == nil {
		problem = l.first.wait(ctx, patience, &l.of.waiters)
		list = l.current.Load()
	}
	if list != nil {
		status, known := list.at(idx)
		switch {
		case status != 0:
			return true, errRevoked
		case known && now.Before(list.expiry):
			return true, nil
		case !known && now.Before(list.expiry) && issuedAt.Unix() < list.issuedAt.Unix():
			// The list is newer than the token and too short for its index: it is not about this token (§8.3). If both
			// were signed in the same second, it is not known which was first.
			return true, defect("its status list does not hold it (status)")
		case !known:
			problem = errors.New("the list is older than the token")
		default:
			problem = errors.New("the list has expired")
		}
	}
	if l.of.mode != StatusFailClosed {
		return false, nil
	}
	if problem == nil {
		problem = errors.New("the list could not be read")
	}
	return false, fmt.Errorf("%w: %w", ErrStatusUnavailable, problem)
}

// run follows the list until no caller asks for it any more or the verifier is closed.
func (l *statusList) run(ctx context.Context) {
	var p pace
	var told time.Time // when the problem was last logged, or zero
	for {
		start := l.of.now()
		what, err := l.poll(ctx, p.wait())
		now := l.of.now()
		if !l.first.landed() {
			close(l.first.done)
		}
		if ctx.Err() != nil {
			return
		}
		l.of.metrics.fetched("status list", now.Sub(start), err)
		switch {
		case err != nil && now.Sub(told) >= logEvery:
			told = now
			l.of.log.Warn(inVain(err), "uri", l.uri, "error", err, "kept", l.current.Load() != nil)
		case err == nil && p.plain == 0 && !told.IsZero(): // not where each request that waits is refused
			told = time.Time{}
			l.of.log.Info("a status list is followed again", "uri", l.uri)
		}
		var pause time.Duration
		p, pause = p.next(what, now.Sub(start), rand.Float64()) //nolint:gosec // nothing depends on its being unknown
		if !sleep(ctx, pause) || l.of.life.dropped.Load() || l.of.leave(l) {
			return
		}
	}
}

// inVain is how an attempt to read a list is logged that failed.
func inVain(err error) string {
	if errors.Is(err, ErrRefused) {
		return "a status list is refused"
	}
	return "a status list could not be read"
}

// sleep waits for d, and returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// poll asks the issuer for a list other than the known one, and lets the request wait until there is one, at most for
// wait.
func (l *statusList) poll(ctx context.Context, wait time.Duration) (what polled, err error) {
	defer func() {
		// The JSON and zlib readers parse input from the network: a bug of theirs must not stop the service.
		if p := recover(); p != nil {
			what, err = failed, fmt.Errorf("panic: %v", p)
		}
	}()
	known, etag := l.current.Load(), ""
	if known != nil {
		if left := known.renewal().Sub(l.of.now()); left > 0 {
			etag, wait = known.etag, min(wait, left.Truncate(time.Second)+time.Second)
		}
	}
	address, enough := l.uri, fetchTimeout
	if etag != "" { // without it, the answer comes at once
		enough = max(wait+pollGrace, patience)
		if wait > 0 {
			address += "?wait=" + strconv.Itoa(int(wait/time.Second))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return failed, err
	}
	request.Header.Set("Accept", "application/"+statusListType)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	found, err := ask(l.of.client, request)
	if err != nil {
		l.of.client.CloseIdleConnections() // they may lead to the same frozen replica
		return failed, err
	}
	if found.status == http.StatusNotModified && etag != "" {
		return unchanged, nil
	}
	if err := found.wantOK(); err != nil {
		return failed, err
	}
	list, err := l.read(ctx, found)
	switch {
	case errors.Is(err, ErrKeysUnavailable): // it may be a good one
		return failed, err
	case err != nil:
		return failed, malformed(err)
	}
	if known != nil && list.issuedAt.Before(known.issuedAt) {
		// This replica is behind: a revoked session must not come back with its list.
		return failed, unusable{errors.New("the answer is older than the list that is known")}
	}
	l.current.Store(list.with(known))
	l.of.keys.heed(list.keySet)
	if list.etag == "" || (known != nil && etag == "") {
		return untaggedChange, nil
	}
	return changed, nil
}

// read verifies a status list token (§8.3).
func (l *statusList) read(ctx context.Context, found answer) (*statuses, error) {
	if media, _, err := mime.ParseMediaType(found.header.Get("Content-Type")); err != nil || media != "application/"+statusListType {
		return nil, errors.New("the answer is not of type application/" + statusListType)
	}
	jws, err := split(found.body)
	if err != nil {
		return nil, err
	}
	header, err := jws.readHeader()
	if err != nil {
		return nil, err
	}
	if err := header.check(statusListType, l.of.accepts); err != nil {
		return nil, err
	}
	key, err := l.of.keys.key(ctx, header.kid, time.Time{}, l.of.now())
	if err != nil {
		l.of.keys.heed("signs lists: " + header.kid) // no set has this name: it may be a key of an emergency
		return nil, err
	}
	if err := jws.verify(key, header.alg); err != nil {
		return nil, err
	}
	list, err := readStatuses(jws.payload, l.of.issuer, l.uri)
	if err == nil {
		err = list.timely(l.of.now(), l.of.ahead)
	}
	if err != nil {
		return nil, err
	}
	list.etag = found.header.Get("ETag")
	return list, nil
}
