package storm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Who makes up a load. Each client has connections of its own and keeps them.
const (
	refreshers = 6
	followers  = 3
	readers    = 2
	surging    = 16 // clients that refresh only in a surge, all at once

	loadThinks  = 40 * time.Millisecond
	loginThinks = 500 * time.Millisecond
	pollWaits   = 10 * time.Second
)

// What is asked.
const (
	askRefresh = "refresh"
	askLogin   = "login"
	askLogout  = "logout"
	askJWKS    = "read the JWKS"
	askList    = "wait for a status list"
)

// load is orderly clients on a quiet day, before one balancer: each answer is the one that was asked for, or a failure.
// No client retries.
type load struct {
	origin  string
	ctx     context.Context // of the polls; ends with the load
	end     context.CancelFunc
	playing sync.WaitGroup
	surgers []*guest
	late    atomic.Int64 // polls of a list that were told that it is not up to date

	mu     sync.Mutex
	took   map[string][]time.Duration // guarded by mu, by what was asked
	failed []string                   // guarded by mu
}

// guest is a client with its newest refresh token.
type guest struct {
	caller
	token string
}

func startLoad(t testing.TB, origin string) *load {
	t.Helper()
	l := &load{origin: origin, took: make(map[string][]time.Duration)}
	l.ctx, l.end = context.WithCancel(context.Background())
	t.Cleanup(l.stop) // before those of the servers
	for range surging {
		l.surgers = append(l.surgers, l.enter(t))
	}
	for range refreshers {
		s := l.enter(t)
		l.play(loadThinks, func() { l.refresh(s) })
	}
	visitor := newCaller(t)
	l.play(loginThinks, func() { l.comeAndGo(visitor) })
	for range readers {
		c := newCaller(t)
		l.play(loadThinks, func() { l.read(c, askJWKS, "/.well-known/jwks.json", "") })
	}
	list := l.firstList(t)
	for range followers {
		c, etag := newCaller(t), ""
		l.play(loadThinks, func() { etag = l.read(c, askList, list, etag) })
	}
	return l
}

// enter logs a client in.
func (l *load) enter(t testing.TB) *guest {
	t.Helper()
	c := newCaller(t)
	a := c.login(l.origin, patient)
	if a.outcome != granted {
		t.Fatalf("a login through nginx: %s %s", a.outcome, a.odd)
	}
	return &guest{caller: c, token: a.token}
}

// play has a client act until the end, with pauses to think.
func (l *load) play(thinks time.Duration, act func()) {
	l.playing.Go(func() {
		for {
			act()
			select {
			case <-l.ctx.Done():
				return
			case <-time.After(time.Duration(rand.Int64N(int64(2 * thinks)))):
			}
		}
	})
}

func (l *load) stop() {
	l.end()
	l.playing.Wait()
}

// surge has many clients refresh at once, and returns when all have an answer. They leave connections behind that
// nobody uses until the next surge.
func (l *load) surge() {
	var all sync.WaitGroup
	for _, s := range l.surgers {
		all.Go(func() { l.refresh(s) })
	}
	all.Wait()
}

func (l *load) refresh(s *guest) {
	a := l.call(askRefresh, func() answer { return s.refresh(l.origin, s.token, patient) })
	if a.outcome == granted {
		s.token = a.token
	}
}

// comeAndGo logs in and out, which changes a status list.
func (l *load) comeAndGo(c caller) {
	a := l.call(askLogin, func() answer { return c.login(l.origin, patient) })
	if a.outcome == granted {
		l.call(askLogout, func() answer { return c.revoke(l.origin, a.token, patient) })
	}
}

func (l *load) call(what string, ask func() answer) answer {
	began := time.Now()
	a := ask()
	if a.outcome != granted {
		l.fail("%s: %s, answered: %t %s", what, a.outcome, a.answered, a.odd)
	}
	l.note(what, time.Since(began))
	return a
}

// read gets a document, where it is other than the known one, and returns the tag of the newest.
func (l *load) read(c caller, what, path, etag string) string {
	ctx, cancel := context.WithTimeout(l.ctx, pollWaits+patient)
	defer cancel()
	began := time.Now()
	status, found, err := l.get(ctx, c, path, etag)
	switch {
	case l.ctx.Err() != nil:
		return etag
	case err != nil:
		l.fail("%s: %v", what, err)
	case status == http.StatusOK:
		etag = found
	case what == askList && (status == http.StatusServiceUnavailable || status == http.StatusBadGateway):
		// Replicas that read the revoked sessions late, as on a busy machine, say so; where the other one that nginx
		// asks has left, it says 502. What a replica loses by leaving is in nginx's log (judgeNginx).
		l.late.Add(1)
	case status != http.StatusNotModified || etag == "":
		l.fail("%s: %d", what, status)
	}
	l.note(what, time.Since(began))
	return etag
}

func (l *load) get(ctx context.Context, c caller, path, etag string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.origin+path, nil)
	if err != nil {
		return 0, "", err
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("ETag"), err
}

// firstList is the path of a status list, with a wait for its change.
func (l *load) firstList(t testing.TB) string {
	t.Helper()
	res, err := http.Get(l.origin + "/oauth/status-lists")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var known struct {
		Lists []string `json:"status_lists"`
	}
	if err := json.NewDecoder(res.Body).Decode(&known); err != nil || len(known.Lists) == 0 {
		t.Fatalf("status lists: %d %v %v", res.StatusCode, known.Lists, err)
	}
	return strings.TrimPrefix(known.Lists[0], issuer) + "?wait=" + strconv.Itoa(int(pollWaits/time.Second))
}

func (l *load) note(what string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took[what] = append(l.took[what], took)
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, time.Now().Format(time.TimeOnly+".000 ")+fmt.Sprintf(format, args...))
}

// await returns when that many more refreshes are answered.
func (l *load) await(t testing.TB, more int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.took[askRefresh])
	}
	enough := count() + more
	eventually(t, "the load goes on", func() bool { return count() >= enough })
}

// judge prints the figures of a load that has stopped, and wants no failures.
func (l *load) judge(t testing.TB) {
	t.Helper()
	requests := 0
	for _, what := range slices.Sorted(maps.Keys(l.took)) {
		took := l.took[what]
		requests += len(took)
		t.Logf("%-22s %6d answered, p50 %s, p99 %s, max %s", what+":", len(took),
			milliseconds(percentile(took, .5)), milliseconds(percentile(took, .99)), milliseconds(percentile(took, 1)))
	}
	t.Logf("%d requests, %d failed (goal 0); %d polls were told that the list is not up to date", requests, len(l.failed), l.late.Load())
	kinds := make(map[string]int)
	for _, failure := range l.failed {
		_, what, _ := strings.Cut(failure, " ")
		kinds[what]++
	}
	for _, what := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("failed %d times: %s", kinds[what], what)
	}
	for _, failure := range l.failed[:min(len(l.failed), 20)] {
		t.Error(failure)
	}
}
