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

// logEvery is how often a trouble is reported that goes on.
const logEvery = time.Minute

// statusList is one list, followed by a goroutine of its own that keeps a request waiting for its next version.
type statusList struct {
	of      *statusLists
	uri     string
	current atomic.Pointer[statuses] // nil until the first is read
	asked   atomic.Int64             // when a token last asked, in Unix seconds
	until   time.Time                // when the last of the tokens that named it is dead; guarded by of.mu
	left    atomic.Bool              // it is followed no more, and its entry in the set is gone
	first   *flight                  // the first attempt
}

// check says whether a token that was issued at issuedAt is still valid: nil, errRevoked, another defect where the list
// cannot be about this token, or [ErrStatusUnavailable]. It is not listed where no list says so that has not expired.
//
// A list that has expired still says who was revoked: no session comes back. What it says of the others is out of date.
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
			// The list is younger than the token and does not reach as far: it says nothing of this one (§8.3). Of two that
			// were signed in one second, none knows which was first.
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

// run follows the list until nobody asks for it any more or the verifier is closed.
func (l *statusList) run(ctx context.Context) {
	var p pace
	var told time.Time // when the trouble was last reported; zero without
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
			l.of.log.Warn("a status list could not be read", "uri", l.uri, "error", err, "kept", l.current.Load() != nil)
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

// sleep waits for d and says whether ctx let it.
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

// poll asks the issuer for a list other than the one that is known, and has it wait that long until there is one.
func (l *statusList) poll(ctx context.Context, wait time.Duration) (what polled, err error) {
	defer func() {
		// The readers of JSON and zlib read what came over the network: no defect of theirs may stop the service.
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
	if etag != "" { // without, the answer comes at once
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
	if err != nil {
		return failed, malformed(err)
	}
	if known != nil && list.issuedAt.Before(known.issuedAt) {
		// A replica that is behind: a session that was revoked must not come back with it.
		return failed, errors.New("the answer is older than the list that is known")
	}
	l.current.Store(list.with(known))
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
