package storm_test

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// figures is what a history amounts to.
type figures struct {
	sessions, calls, unknowns, refusals int
	double                              int // S1, S9: two tokens of one generation though the store lost nothing
	reissued                            int // two tokens of one generation, the store lost writes in between
	back                                int // S3: a session that had ended, and was refreshed
	loggedOut                           int // S4, S6: an orderly client
	late                                int // owners that came too late, and were refused
	illegal, unjudged                   int // by porcupine
	latencies                           []time.Duration
}

// patienceOfJudge bounds the check of one session's history.
const patienceOfJudge = 20 * time.Second

// assess holds the whole history against the invariants, and tells the story of
// the first few sessions that break one.
func assess(t testing.TB, h *history) figures {
	t.Helper()
	var f figures
	stories := 3
	tell := func(l *lineage, defect string) {
		t.Errorf("session %d: %s", l.number, defect)
		if stories > 0 {
			stories--
			t.Logf("its story:\n%s", l.story())
		}
	}
	losses := h.lossesIn()
	all := h.all()
	for _, l := range all {
		f.add(l)
		if c, ok := cameBack(l.calls); ok {
			f.back++
			tell(l, "S3: it had ended, and was refreshed at "+c.began.String())
		}
		double, reissued := doubles(l.calls, losses)
		f.double, f.reissued = f.double+double, f.reissued+reissued
		if double > 0 {
			tell(l, "S1: two different successors of one generation, and no store fault between them")
		}
		if l.loggedOut {
			f.loggedOut++
			tell(l, "S4: an orderly client was logged out")
		}
	}
	for i, result := range judgeAll(all, losses) {
		switch result {
		case porcupine.Illegal:
			f.illegal++
			tell(all[i], "its history is not one that the rules allow")
		case porcupine.Unknown:
			f.unjudged++
		}
	}
	if 10*f.unjudged > f.sessions { // some are too tangled for the time that a loaded machine leaves the judge
		t.Errorf("%d histories of %d could not be judged within %s each, more than a tenth", f.unjudged, f.sessions, patienceOfJudge)
	}
	for _, odd := range h.odd {
		t.Error(odd)
	}
	return f
}

func (f *figures) add(l *lineage) {
	f.sessions++
	for _, c := range l.calls {
		f.calls++
		switch {
		case c.outcome == unknown:
			f.unknowns++
		case c.outcome == refused:
			f.refusals++
		case c.verb == refresh:
			f.latencies = append(f.latencies, c.ended-c.began)
		}
	}
	if l.late {
		f.late++
	}
}

// cameBack finds a refresh that began after the session's end was answered, and
// succeeded. Whoever holds a token of ours and is refused sees such an end, too.
func cameBack(calls []call) (call, bool) {
	end := time.Duration(math.MaxInt64)
	for _, c := range calls {
		if c.outcome == refused || c.verb == revoke && c.outcome == granted {
			end = min(end, c.ended)
		}
	}
	i := slices.IndexFunc(calls, func(c call) bool { return c.verb == refresh && c.outcome == granted && c.began > end })
	if i < 0 {
		return call{}, false
	}
	return calls[i], true
}

// doubles counts the pairs of different tokens that were issued for one
// generation: apart from those between which the store may have lost writes.
func doubles(calls, losses []call) (double, reissued int) {
	byGeneration := make(map[uint32][]call)
	for _, c := range calls {
		if c.token == "" {
			continue
		}
		for _, other := range byGeneration[c.issued] {
			switch {
			case other.token == c.token:
			case slices.ContainsFunc(losses, func(l call) bool {
				return l.began <= max(c.ended, other.ended) && l.ended >= min(c.began, other.began)
			}):
				reissued++
			default:
				double++
			}
		}
		byGeneration[c.issued] = append(byGeneration[c.issued], c)
	}
	return double, reissued
}

// judgeAll holds every session's history against the model.
func judgeAll(all []*lineage, losses []call) []porcupine.CheckResult {
	results := make([]porcupine.CheckResult, len(all))
	next := make(chan int)
	var judges sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		judges.Go(func() {
			for i := range next {
				results[i] = judge(all[i].calls, losses, patienceOfJudge)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	judges.Wait()
	return results
}

// percentile is the share's quantile: 0.5 the median. It sorts.
func percentile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(share*float64(len(values))))]
}

func (f figures) print(t testing.TB) {
	t.Helper()
	t.Logf("%d sessions, %d calls, %d unknown, %d refused", f.sessions, f.calls, f.unknowns, f.refusals)
	t.Logf("double successors: %d (goal 0; %d pairs issued anew after the store lost writes)", f.double, f.reissued)
	t.Logf("orderly clients logged out: %d (goal 0; %d owners came too late to count)", f.loggedOut, f.late)
	t.Logf("sessions that came back after their end: %d (goal 0)", f.back)
	t.Logf("histories against the model: %d wrong (goal 0), %d undecided (goal: at most a tenth) of %d", f.illegal, f.unjudged, f.sessions)
	t.Logf("refresh granted: p50 %s, p99 %s", milliseconds(percentile(f.latencies, .5)), milliseconds(percentile(f.latencies, .99)))
}

// backAfter is how long owners needed, for each kind of fault, from the start of the first call
// that the fault spoiled to the end of the next that was granted in the same session.
func backAfter(all []*lineage, faults []struck) map[string][]time.Duration {
	back := make(map[string][]time.Duration)
	for _, l := range all {
		calls := slices.SortedFunc(slices.Values(l.calls), func(a, b call) int { return cmp.Compare(a.ended, b.ended) })
		for _, f := range faults {
			spoiled := slices.IndexFunc(calls, func(c call) bool {
				return c.who == owner && c.verb == refresh && c.outcome == unknown && c.ended >= f.began && c.began <= f.ended
			})
			if spoiled < 0 {
				continue
			}
			granted := slices.IndexFunc(calls[spoiled:], func(c call) bool { return c.verb == refresh && c.outcome == granted })
			if granted >= 0 {
				back[f.name] = append(back[f.name], calls[spoiled+granted].ended-calls[spoiled].began)
			}
		}
	}
	return back
}

// counted is what the replicas counted themselves, over all their lives. What one
// counts between the last reading and its death is lost.
type counted struct {
	verdicts map[string]int
}

// read adds the counters of a replica, which is about to end.
func (c *counted) read(t testing.TB, r *replica) {
	t.Helper()
	res, err := (&http.Client{Timeout: 50 * time.Second}).Get(r.ops + "/metrics")
	if err != nil {
		t.Errorf("read the counters of a replica: %v", err)
		return
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		verdict, ok := strings.CutPrefix(lines.Text(), `mintmark_refresh_verdicts_total{verdict="`)
		if name, number, found := strings.Cut(verdict, `"} `); ok && found {
			n, _ := strconv.Atoi(number)
			c.verdicts[name] += n
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("read the counters of a replica: %v", err)
	}
}

// clocksAgree reports whether the replica says so; not if it says nothing.
func (r *replica) clocksAgree() bool {
	res, err := (&http.Client{Timeout: 5 * time.Second}).Get(r.ops + "/metrics")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	known := 0
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if offset, ok := strings.CutPrefix(lines.Text(), "mintmark_clock_offset_seconds{"); ok {
			_, number, _ := strings.Cut(offset, "} ")
			seconds, err := strconv.ParseFloat(number, 64)
			if err != nil || math.Abs(seconds) > clock.Tolerance.Seconds() {
				return false
			}
			known++
		}
	}
	return known == 3 && lines.Err() == nil
}

// String lists the verdicts in order of name.
func (c *counted) String() string {
	var words []string
	for _, verdict := range slices.Sorted(maps.Keys(c.verdicts)) {
		words = append(words, fmt.Sprintf("%s %d", verdict, c.verdicts[verdict]))
	}
	return strings.Join(words, ", ")
}
