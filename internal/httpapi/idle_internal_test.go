package httpapi

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAnIdleConnectionGivesWay to a new one beyond a bound: one of the same subscriber, or if there is no place at all,
// anyone's; in each case the one that has been idle for longest. Whoever is busy stays.
func TestAnIdleConnectionGivesWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  string // subscribers with a connection each; upper case: it is busy. All others are idle, the first for longest
		comes string
		want  string
	}{
		"there is a place":                         {"a a b", "c", "a a b c"},
		"beyond its bound, its own goes":           {"b a a a", "a", "b a a a"},
		"its own, though another's is idle longer": {"b b A A a", "a", "b b A A a"},
		"beyond its bound and busy":                {"b A A A", "a", "b A A A"},
		"no place at all, and it has none":         {"b a b c a b", "d", "a b c a b d"},
		"no place at all, and it has one":          {"b a b c a b", "a", "b b c a b a"},
		"no place at all, and all are busy":        {"A A A B B B", "c", "A A A B B B"},
		"a proxy has no bound of its own":          {"- - - - b", "-", "- - - - b -"},
		"no place at all for a proxy":              {"b - - a - -", "-", "b - a - - -"},
	} {
		l := NewListener(nil, 6, nil)
		var open []*guardedConn
		arrive := func(peer string) *guardedConn {
			peer = strings.ToLower(strings.Trim(peer, "-"))
			if !l.admit(peer) {
				return nil
			}
			here, there := net.Pipe()
			t.Cleanup(func() { there.Close() })
			guarded := l.guard(here, peer)
			l.Track(guarded, http.StateNew)
			open = append(open, guarded)
			return guarded
		}
		for peer := range strings.FieldsSeq(c.open) {
			guarded := arrive(peer)
			l.Track(guarded, http.StateActive)
			if strings.ToLower(peer) == peer {
				l.Track(guarded, http.StateIdle)
			}
		}
		arrive(c.comes)
		var left []string
		for _, guarded := range open {
			if err := guarded.SetDeadline(time.Time{}); err == nil { // it is not closed
				left = append(left, cmp.Or(guarded.peer, "-"))
			}
		}
		if got, want := left, strings.Fields(strings.ToLower(c.want)); !slices.Equal(got, want) || l.Open() != len(want) {
			t.Errorf("%s: %v are open (%d are counted), want %v", name, got, l.Open(), want)
		}
		for _, guarded := range open {
			_ = guarded.Close() // some twice
		}
		if l.Open() != 0 || l.Busy() != 0 || l.idle.len() != 0 || len(l.idle.by) != 0 {
			t.Errorf("%s: at the end %d are open, %d busy, and %v idle", name, l.Open(), l.Busy(), l.idle.by)
		}
	}
}
