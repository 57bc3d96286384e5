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

// pollGrace is how much longer than it was asked to wait the issuer may take for an answer.
const pollGrace = 5 * time.Second

// statusList is one list, followed by a goroutine of its own that keeps a request waiting for its next version.
type statusList struct {
	of       *statusLists
	uri      string
	current  atomic.Pointer[statuses] // nil until the first is read
	asked    atomic.Int64             // when a token last asked, in Unix seconds
	left     atomic.Bool              // it is followed no more, and its entry in the set is gone
	first    chan struct{}            // closes when the first attempt is over, well or not
	patience context.Context          //nolint:containedctx // ends when callers should stop waiting for first
	impolite context.CancelFunc       // of patience
}

func newStatusList(of *statusLists, uri string) *statusList {
	l := &statusList{of: of, uri: uri, first: make(chan struct{})}
	l.patience, l.impolite = context.WithTimeout(context.Background(), patience)
	return l
}

// check says whether a token that was issued at issuedAt is still valid: nil, errRevoked, another defect where the list
// cannot be about this token, or [ErrStatusUnavailable].
//
// A list that has expired still says who was revoked: no session comes back. What it says of the others is out of date.
func (l *statusList) check(ctx context.Context, idx uint64, issuedAt, now time.Time) error {
	if second := now.Unix(); l.asked.Load() != second {
		l.asked.Store(second)
	}
	list := l.current.Load()
	var problem error
	if list == nil {
		problem = l.await(ctx)
		list = l.current.Load()
	}
	if list != nil {
		status, known := list.at(idx)
		switch {
		case status != 0:
			return errRevoked
		case known && now.Before(list.expiry):
			return nil
		case !known && now.Before(list.expiry) && !issuedAt.After(list.issuedAt):
			// The list is younger than the token and does not reach as far: it says nothing of this one (§8.3).
			return defect("its status list does not hold it (status)")
		case !known:
			problem = errors.New("the list is older than the token")
		default:
			problem = errors.New("the list has expired")
		}
	}
	if l.of.mode != StatusFailClosed {
		return nil
	}
	if problem == nil {
		problem = errors.New("the list could not be read")
	}
	return fmt.Errorf("%w: %w", ErrStatusUnavailable, problem)
}

// await waits for the first attempt to end, but no longer than ctx and patience allow.
func (l *statusList) await(ctx context.Context) error {
	select {
	case <-l.first: // also where a crowd waits for another list
		return nil
	default:
	}
	defer l.of.waiters.Add(-1)
	if l.of.waiters.Add(1) > maxWaiters {
		return errCrowded
	}
	select {
	case <-l.first:
		return nil
	case <-l.patience.Done():
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run follows the list until nobody asks for it any more or the verifier is closed.
func (l *statusList) run(ctx context.Context) {
	defer l.impolite()
	var p pace
	for attempt := 0; ; attempt++ {
		start := l.of.now()
		what, err := l.poll(ctx, p.wait())
		took := l.of.now().Sub(start)
		if attempt == 0 {
			close(l.first)
		}
		if ctx.Err() != nil {
			return
		}
		l.of.metrics.fetched("status list", took, err)
		if err != nil && p.failures == 0 {
			l.of.log.Warn("a status list could not be read", "uri", l.uri, "error", err, "kept", l.current.Load() != nil)
		}
		var pause time.Duration
		p, pause = p.next(what, took, rand.Float64()) //nolint:gosec // nothing depends on its being unknown
		if !sleep(ctx, pause) || l.of.leave(l) {
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

// poll asks the issuer for a list other than the one that is known, and waits for it.
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
	ctx, cancel := context.WithTimeout(ctx, wait+pollGrace)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.uri+"?wait="+strconv.Itoa(int(wait/time.Second)), nil)
	if err != nil {
		return failed, err
	}
	request.Header.Set("Accept", "application/"+statusListType)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	found, err := ask(l.of.client, request)
	if err != nil {
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
		return failed, err
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
		return nil, malformed(err)
	}
	header, err := jws.readHeader()
	if err != nil {
		return nil, malformed(err)
	}
	if err := header.check(statusListType, l.of.accepts); err != nil {
		return nil, malformed(err)
	}
	key, err := l.of.keys.key(ctx, header.kid, l.of.now())
	if err != nil {
		return nil, malformed(err)
	}
	if err := jws.verify(key, header.alg); err != nil {
		return nil, malformed(err)
	}
	list, err := readStatuses(jws.payload, l.of.issuer, l.uri, l.of.now())
	if err != nil {
		return nil, err
	}
	list.etag = found.header.Get("ETag")
	return list, nil
}
