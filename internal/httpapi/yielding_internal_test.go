package httpapi

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stageOf is a listener with connections that a test opens itself.
type stageOf struct {
	*testing.T
	*Listener
	open  []*guardedConn
	peers []net.Conn
}

func newStageOf(t *testing.T, bounds Bounds) *stageOf {
	return &stageOf{T: t, Listener: NewListener(nil, bounds, nil)}
}

// arrive opens a connection of the subscriber, or returns nil.
func (s *stageOf) arrive(peer string) *guardedConn {
	if !s.admit(peer) {
		return nil
	}
	here, there := net.Pipe()
	s.Cleanup(func() { there.Close(); here.Close() })
	c := s.guard(here, peer)
	s.Track(c, http.StateNew)
	s.open, s.peers = append(s.open, c), append(s.peers, there)
	return c
}

// say sends octets on a connection, which are read as one piece.
func (s *stageOf) say(c *guardedConn, octets string) {
	s.Helper()
	at := slices.Index(s.open, c)
	go io.WriteString(s.peers[at], octets)
	if _, err := io.ReadFull(c, make([]byte, len(octets))); err != nil {
		s.Error(err)
	}
}

func isOpen(c *guardedConn) bool { return c.SetDeadline(time.Time{}) == nil }

// left are the subscribers of the connections that are open.
func (s *stageOf) left() []string {
	var left []string
	for _, c := range s.open {
		if isOpen(c) {
			left = append(left, c.peer)
		}
	}
	return left
}

func (s *stageOf) wantNothingLeft() {
	s.Helper()
	for _, c := range s.open {
		_ = c.Close() // some twice
	}
	if s.Open() != 0 || s.Busy() != 0 || s.idle != 0 || len(s.waiting.members)+len(s.waiting.by)+len(s.waiting.groups)+s.waiting.weight != 0 ||
		len(s.unfinished.members)+len(s.unfinished.by)+len(s.unfinished.groups)+s.unfinished.weight != 0 {
		s.Errorf("at the end %d are open, %d busy, %d idle, %+v wait and %+v are unfinished", s.Open(), s.Busy(), s.idle, s.waiting, s.unfinished)
	}
}

const wholeRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// TestAConnectionThatWaitsGivesWay to a new one beyond a bound: one of the same subscriber that has all that it may have,
// or if there is no place at all, one of the subscriber that has most of them waiting; in each case the one that has
// waited for longest. Whoever has sent a whole request stays until it is answered.
func TestAConnectionThatWaitsGivesWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  string // a connection each: A has sent a request, ai is idle, ah sent half a header, ab half a body, ac a chunk, a nothing
		comes string
		want  string
	}{
		"there is a place":                            {"a ai b", "c", "a a b c"},
		"beyond its bound, its own goes":              {"bi a ai ah", "a", "b a a a"},
		"its own, though another's has waited longer": {"b bi A A a", "a", "b b A A a"},
		"beyond its bound and busy":                   {"b A A A", "a", "b A A A"},
		"no place at all: of those with most":         {"c b a b ah bh", "d", "c a b a b d"},
		"half a body waits, too":                      {"c ab a B B A", "d", "c a B B A d"},
		"one in chunks waits, too":                    {"c ac a B B A", "d", "c a B B A d"},
		"busy ones don't count":                       {"B B a a c c", "d", "B B a c c d"},
		"of equals, who waits longest":                {"A c a B b C", "d", "A a B b C d"},
		"no place at all, also of one's own":          {"A a b b b c", "a", "A a b b c a"},
		"no place at all, and all are busy":           {"A A A B B B", "c", "A A A B B B"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStageOf(t, Bounds{Connections: 6, PerSubscriber: 3, Unfinished: 1 << 20})
			for word := range strings.FieldsSeq(c.open) {
				conn := s.arrive(strings.ToLower(word[:1]))
				switch {
				case strings.ToUpper(word) == word, strings.HasSuffix(word, "i"):
					s.say(conn, wholeRequest)
					s.Track(conn, http.StateActive)
				case strings.HasSuffix(word, "h"):
					s.say(conn, "GET / HTTP/1.1\r\nHo")
				case strings.HasSuffix(word, "b"):
					s.say(conn, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
				case strings.HasSuffix(word, "c") && len(word) > 1:
					s.say(conn, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
					s.Track(conn, http.StateActive)
				}
				if strings.HasSuffix(word, "i") {
					s.Track(conn, http.StateIdle)
				}
			}
			s.arrive(c.comes)
			if got, want := s.left(), strings.Fields(strings.ToLower(c.want)); !slices.Equal(got, want) || s.Open() != len(want) {
				t.Errorf("%v are open (%d are counted), want %v", got, s.Open(), want)
			}
			s.wantNothingLeft()
		})
	}
}

// TestARequestBehindAnotherIsNotDropped: it has come whole, though the connection is idle in between.
func TestARequestBehindAnotherIsNotDropped(t *testing.T) {
	t.Parallel()
	s := newStageOf(t, Bounds{Connections: 2, PerSubscriber: 1, Unfinished: 1 << 20})
	c := s.arrive("a")
	s.say(c, wholeRequest+wholeRequest+"GET")
	s.Track(c, http.StateActive)
	s.Track(c, http.StateIdle)
	if s.arrive("a") != nil || s.unfinished.weight != len("GET") {
		t.Errorf("a request that has come whole is dropped; %d octets are unfinished", s.unfinished.weight)
	}
	s.Track(c, http.StateIdle)
	if s.arrive("a") == nil || isOpen(c) {
		t.Error("a connection whose requests were answered stays")
	}
	s.wantNothingLeft()
}

// TestAConnectionWhosePeerTakesNoAnswerGivesWay until the answer is taken.
func TestAConnectionWhosePeerTakesNoAnswerGivesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStageOf(t, Bounds{Connections: 2, PerSubscriber: 2, Unfinished: 1 << 20})
		taken, stuck := s.arrive("a"), s.arrive("b")
		ended := make(chan error, 2)
		for _, c := range []*guardedConn{taken, stuck} {
			s.say(c, wholeRequest)
			s.Track(c, http.StateActive)
			go func() {
				_, err := io.WriteString(c, "answer")
				ended <- err
			}()
		}
		synctest.Wait()
		if _, err := io.ReadFull(s.peers[0], make([]byte, len("answer"))); err != nil || <-ended != nil {
			t.Fatalf("the answer is not written: %v", err)
		}
		if s.arrive("c") == nil || isOpen(stuck) || !isOpen(taken) {
			t.Errorf("%v are open, want a and c", s.left())
		}
		s.wantNothingLeft()
		if <-ended == nil {
			t.Error("an answer that nobody takes is written")
		}
	})
}

// TestUnfinishedRequestsShareABudget: beyond it goes what has come first of the subscriber that takes most. A request that
// has come to its end takes nothing, and one that goes on for ever no more than what is kept of it.
func TestUnfinishedRequestsShareABudget(t *testing.T) {
	t.Parallel()
	s := newStageOf(t, Bounds{Connections: 100, PerSubscriber: 10, Unfinished: 1000})
	half := func(octets int) string {
		const start = "GET / HTTP/1.1\r\nX: "
		return start + strings.Repeat("x", octets-len(start))
	}
	honest, first, second := s.arrive("h"), s.arrive("a"), s.arrive("a")
	s.say(honest, half(300))
	s.say(first, half(300))
	s.say(second, half(200))
	s.say(s.arrive("w"), wholeRequest+half(100)) // 900
	if got := s.left(); !slices.Equal(got, []string{"h", "a", "a", "w"}) || s.unfinished.weight != 900 {
		t.Fatalf("%v are open with %d octets", got, s.unfinished.weight)
	}
	s.say(honest, strings.Repeat("y", 101))
	if isOpen(first) || !isOpen(second) || !isOpen(honest) || s.unfinished.weight != 701 {
		t.Errorf("%v are open with %d octets; want the older one of a to go", s.left(), s.unfinished.weight)
	}
	s.say(honest, "\r\n\r\n")
	if s.unfinished.weight != 300 {
		t.Errorf("%d octets are unfinished after one came to its end, want 300", s.unfinished.weight)
	}
	body := s.arrive("b")
	s.say(body, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
	if s.unfinished.weight <= 300 {
		t.Error("a body that has not come counts nothing")
	}
	s.say(body, "67890")
	if s.unfinished.weight != 300 || s.Shed() != 1 {
		t.Errorf("%d octets after a body has come, and %d were shed", s.unfinished.weight, s.Shed())
	}
	s.wantNothingLeft()
}
