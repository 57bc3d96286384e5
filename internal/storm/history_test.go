package storm_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// verb is what was done to a session.
type verb int

const (
	refresh verb = iota
	revoke
	loss // the ephemeral store lost writes, or all it had; it is one again
	tear // the ephemeral store is two that know nothing of each other, until the next loss
)

// String is the verb as a word.
func (v verb) String() string { return [...]string{"refresh", "revoke", "loss", "tear"}[v] }

// call is one call as its caller saw it. Moments are counted from the beginning of
// the history, on the monotonic clock.
type call struct {
	verb      verb
	who       string
	presented uint32 // generation
	outcome   outcome
	token     string // that a granted refresh gave
	issued    uint32 // its generation
	began     time.Duration
	ended     time.Duration
}

// String tells of the call on one line.
func (c call) String() string {
	text := fmt.Sprintf("%9.3f–%9.3f s  %-8s %s %d: %s", c.began.Seconds(), c.ended.Seconds(), c.who, c.verb, c.presented, c.outcome)
	if c.outcome == granted && c.verb == refresh {
		text += fmt.Sprintf(" %d", c.issued)
	}
	return text
}

// history is all that happened.
type history struct {
	begun time.Time
	mint  *session.Mint

	grants atomic.Int64 // refreshes that were granted, in all sessions

	mu       sync.Mutex
	lineages []*lineage // guarded by mu
	losses   []call     // guarded by mu
	odd      []string   // guarded by mu: what should never have been
}

func newHistory(mint *session.Mint) *history { return &history{begun: time.Now(), mint: mint} }

func (h *history) now() time.Duration { return time.Since(h.begun) }

// complain notes what should never have been.
func (h *history) complain(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.odd) < 100 {
		h.odd = append(h.odd, fmt.Sprintf(format, args...))
	}
}

// lose notes that the ephemeral store lost writes at some moment since began.
func (h *history) lose(began time.Duration) { h.strike(loss, began) }

// split notes that from now on replicas may see different stores.
func (h *history) split() { h.strike(tear, h.now()) }

func (h *history) strike(v verb, began time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.losses = append(h.losses, call{verb: v, who: "nemesis", outcome: granted, began: began, ended: h.now()})
}

// open notes a login and returns the session's lineage.
func (h *history) open(token string, exposed exposure) *lineage {
	first, err := h.mint.Parse(token)
	if err != nil || first.Generation != 1 {
		h.complain("a login gave generation %d: %v", first.Generation, err)
		return nil
	}
	l := &lineage{history: h, family: first.Family, exposed: exposed, newest: 1, tokens: map[uint32]string{1: token}, tried: map[uint32]time.Duration{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	l.number = len(h.lineages)
	h.lineages = append(h.lineages, l)
	return l
}

func (h *history) all() []*lineage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lineages)
}

// exposure says what a session has to fear.
type exposure int

const (
	safe      exposure = iota // nobody but its owner touches it
	stolen                    // thieves get copies of its tokens
	revocable                 // revokers end it
)

// lineage is one session and what is known of it.
type lineage struct {
	history *history
	number  int
	family  session.Family
	exposed exposure
	grants  atomic.Int64 // refreshes that were granted

	mu      sync.Mutex
	calls   []call                   // guarded by mu
	tokens  map[uint32]string        // guarded by mu: the latest of each generation, whoever got it
	newest  uint32                   // guarded by mu: what the owner would present
	tried   map[uint32]time.Duration // guarded by mu: the owner's first attempt with each generation
	flights []*flight                // guarded by mu: of the owner
	access  string                   // guarded by mu: the latest access token, whoever got it
	touched bool                     // guarded by mu: a thief or a revoker called, or the owner left
	over    bool                     // guarded by mu: the owner was refused, or left

	loggedOut bool // guarded by mu: the owner was orderly, and refused for nothing
	late      bool // guarded by mu: the owner was refused, and not orderly
}

// flight is a refresh of the owner that a replica may still be working on.
type flight struct {
	presented uint32
	lost      time.Duration // when its answer was lost; 0: the caller still waits
	life      *process      // what may be working on it since then; nil: not known
}

// abandoned is when a refresh whose answer was lost is surely not worked on any
// more: 10 s bound its reads and its rotation together (docs/rotation.md), only
// the revocation of a replay gets another 10 s; and half as much again for a loaded
// machine and for what a network holds back.
const abandoned = 30 * time.Second

func (f *flight) isOver(now time.Duration) bool {
	return f.lost != 0 && (now-f.lost > abandoned || f.life != nil && f.life.isGone())
}

// take gives the owner the token to present, if an orderly client may start a
// refresh now: not while an older token is in flight.
func (l *lineage) take() (token string, f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.history.now()
	l.flights = slices.DeleteFunc(l.flights, func(f *flight) bool { return f.isOver(now) })
	if l.over || slices.ContainsFunc(l.flights, func(f *flight) bool { return f.presented != l.newest }) {
		return "", nil
	}
	f = &flight{presented: l.newest}
	l.flights = append(l.flights, f)
	if _, before := l.tried[l.newest]; !before {
		l.tried[l.newest] = now
	}
	return l.tokens[l.newest], f
}

// settle ends a flight: the answer came, or was lost. A replica that runs now may
// be working on it; one that is being started may, too, but is not known yet.
func (l *lineage) settle(f *flight, a answer, by *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.answered {
		l.flights = slices.DeleteFunc(l.flights, func(other *flight) bool { return other == f })
		return
	}
	f.lost = l.history.now()
	if !by.isGone() {
		f.life = by
	}
}

// note keeps an access token of the session.
func (l *lineage) note(access string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.access = access
}

// latest is the access token that was issued last.
func (l *lineage) latest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.access
}

// touch notes that somebody else is about to call.
func (l *lineage) touch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touched = true
}

// dismiss notes that the owner was refused. S4: that must not happen to an orderly
// client whose session nobody else touched; one that came later than grace after
// its first attempt was not orderly.
func (l *lineage) dismiss(c call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	switch {
	case l.touched:
	case c.ended-l.tried[c.presented] >= grace-clockTolerance:
		l.late = true
	default:
		l.loggedOut = true
	}
}

// isTired reports whether the owner should log out: the history is long enough to check.
func (l *lineage) isTired() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls) >= longest
}

// end notes that the owner has given the session up.
func (l *lineage) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

func (l *lineage) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// copied is a token that came to somebody else: that many generations before the newest.
func (l *lineage) copied(before int) (token string, generation uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	generation = uint32(max(1, len(l.tokens)-before)) // there is one of each generation
	return l.tokens[generation], generation
}

// record adds a call, and what its answer taught. S1: whatever was issued must be
// the derived token of the presented generation's successor.
func (l *lineage) record(c call, a answer) call {
	c.outcome, c.ended = a.outcome, l.history.now()
	if a.odd != "" {
		l.history.complain("session %d: %s %s generation %d was answered %s", l.number, c.who, c.verb, c.presented, a.odd)
		c.outcome = unknown
	}
	if c.verb == refresh && c.outcome == granted {
		issued, err := l.history.mint.Parse(a.token)
		if err != nil || issued.Family != l.family || issued.Generation != c.presented+1 {
			l.history.complain("S1: session %d: generation %d gave generation %d, of the family: %t, %v",
				l.number, c.presented, issued.Generation, issued.Family == l.family, err)
		}
		c.token, c.issued = a.token, issued.Generation
		l.note(a.access)
		defer func() { // when it is written down
			l.grants.Add(1)
			l.history.grants.Add(1)
		}()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	if c.token != "" {
		l.tokens[c.issued] = c.token
	}
	if c.who == owner {
		l.newest = max(l.newest, c.issued)
	}
	return c
}

// story is every call in order, for people.
func (l *lineage) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := slices.SortedFunc(slices.Values(slices.Concat(l.calls, l.history.lossesIn())), func(a, b call) int { return int(a.began - b.began) })
	var text strings.Builder
	for _, c := range calls {
		fmt.Fprintln(&text, " ", c)
	}
	return text.String()
}

func (h *history) lossesIn() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.losses)
}

// awaitGrants returns when that many more refreshes were granted, in all sessions. Each
// may take as long as it must on a busy machine; that none comes is a failure.
func (h *history) awaitGrants(t testing.TB, more int64) {
	t.Helper()
	awaitEach(t, "refreshes are granted", &h.grants, more)
}

// awaitGrants does so for one session.
func (l *lineage) awaitGrants(t testing.TB, more int64) {
	t.Helper()
	awaitEach(t, "the session is refreshed", &l.grants, more)
}

func awaitEach(t testing.TB, what string, count *atomic.Int64, more int64) {
	t.Helper()
	for enough := count.Load() + more; ; {
		before := count.Load()
		if before >= enough {
			return
		}
		eventually(t, what, func() bool { return count.Load() > before })
	}
}
