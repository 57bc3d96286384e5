package zoo_test

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

const (
	// Between two tokens, where nothing happens.
	shortestPause = 4 * time.Minute
	longestPause  = 20 * time.Minute
	// before and after a switch the replicas poll as they do in life, and tokens are many. Elsewhere the polls that
	// nobody could notice are left out.
	before = 6 * time.Minute
	after  = 8 * time.Minute
	// expires is how long a token is good for sure: exp is in whole seconds.
	expires = lifetime - time.Second
	day     = 24 * time.Hour
)

// cause is how the key of a token came to sign.
type cause int

const (
	scheduled cause = iota
	rotated         // keys rotate
	ripe            // keys rotate --emergency, with a ripe standby
	unripe          // keys rotate --emergency, with a standby that nobody had time to learn
	replaced        // keys revoke, with a ripe standby
	hasty           // keys revoke, with an unripe standby
	fresh           // the key that follows a revocation
	causes
)

func (c cause) String() string {
	return [...]string{"scheduled", "operator", "emergency", "emergency, unripe", "revocation", "revocation, unripe", "fresh after revocation"}[c]
}

// harmless reports whether verifiers had the time that the policy promises them: no good token may be rejected.
func (c cause) harmless() bool { return c == scheduled || c == rotated || c == ripe || c == replaced }

// story drives an authority, its clients and a zoo through virtual time, from one goroutine.
type story struct {
	*testing.T
	chance    *rand.Rand
	authority *authority
	zoo       []*animal
	events    events
	told      int // events so far
	tokens    int

	began    time.Time
	polling  time.Time // until when the replicas poll
	causes   map[string]cause
	revoked  map[string]time.Time
	switches [causes]int
}

func begin(t *testing.T, path string, seed uint64) *story {
	t.Helper()
	a := startAuthority(t, path)
	return &story{
		T: t, chance: rand.New(rand.NewPCG(seed, 0)), // a story that can be told again
		authority: a, zoo: fill(t, a, seed), began: time.Now(),
		causes: make(map[string]cause), revoked: make(map[string]time.Time),
	}
}

// event is something that happens at its time.
type event struct {
	at time.Time
	n  int // of two at one time, the one that was planned first
	do func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// plan lets something happen; what is planned for the past is left out.
func (s *story) plan(at time.Time, do func()) {
	if at.Before(time.Now()) {
		return
	}
	s.told++
	heap.Push(&s.events, event{at, s.told, do})
}

// tell runs events until the end, which nothing passes.
func (s *story) tell(end time.Time) {
	for len(s.events) > 0 && s.events[0].at.Before(end) {
		next := heap.Pop(&s.events).(event)
		time.Sleep(time.Until(next.at))
		next.do()
		synctest.Wait() // every verifier has answered, or waits for a later time
	}
	s.events = nil
}

func (s *story) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.chance.Int64N(int64(high-low)))
}

// trickle gives out a token now and then.
func (s *story) trickle() {
	s.pollAll()
	s.issue(s.between(0, expires))
	s.plan(time.Now().Add(s.between(shortestPause, longestPause)), s.trickle)
}

func (s *story) pollAll() {
	for i := range s.authority.replicas {
		s.authority.poll(&s.authority.replicas[i])
	}
}

// issue gives out a token that is checked by everybody so long after now, each time.
func (s *story) issue(checks ...time.Duration) {
	s.tokens++
	t := s.authority.sign(s.tokens, lifetime)
	if s.cause(t) < 0 {
		return
	}
	due, _ := keyring.SigningAt(s.authority.keys(), time.Now())
	if c := s.causes[due.KID]; t.kid != due.KID && (c == scheduled || c == rotated) {
		s.Errorf("%s: a replica signs with %s at %s, when %s is due", c, t.kid, time.Now(), due.KID)
	}
	for _, in := range checks {
		s.plan(time.Now().Add(in), func() { s.check(t) })
	}
}

// cause is how the key of a token came to sign, or less than zero when it was revoked: a replica that did not hear of
// it yet goes on signing for up to a minute.
func (s *story) cause(t ticket) cause {
	if at, ok := s.revoked[t.kid]; ok && !at.After(time.Now()) {
		return -1
	}
	return s.causes[t.kid]
}

// check lets everybody check a good token.
func (s *story) check(t ticket) {
	c := s.cause(t)
	if c < 0 {
		return
	}
	now := time.Now()
	for _, a := range s.zoo {
		if now.Before(a.awake) {
			continue
		}
		if !a.busy {
			a.awake = now.Add(s.between(4*time.Hour, 10*time.Hour))
		}
		go func() { a.judge(c, t, now, a.verify(s.Context(), t)) }()
	}
}

// judge notes how a good token fared.
func (a *animal) judge(c cause, t ticket, now time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.met[t.kid]; !ok {
		a.met[t.kid] = now
	}
	if err == nil {
		a.seen.accepted[c]++
		return
	}
	a.seen.rejected[c]++
	// The instant of the only refusal counts too.
	a.seen.blind[c] = max(a.seen.blind[c], now.Sub(a.met[t.kid]), 1)
	if a.seen.first[c] == nil {
		a.seen.first[c] = err
	}
}

// around makes the time about a switch lively: the replicas poll, restart and are cut off, and tokens are given out
// right before, at and after it.
func (s *story) around(at time.Time) {
	s.poll(time.Now(), at.Add(after))
	for _, in := range []time.Duration{
		-5 * time.Minute, -70 * time.Second, -time.Second, -1, 0, 1, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 11 * time.Second,
		30 * time.Second, time.Minute, 70 * time.Second, 71 * time.Second, 2 * time.Minute, 5 * time.Minute,
		s.between(-70*time.Second, 0), s.between(0, 70*time.Second), s.between(0, 5*time.Minute), s.between(0, 7*time.Minute),
	} {
		s.plan(at.Add(in), func() { s.issue(0, s.between(0, expires), expires) })
	}
}

// poll lets every replica poll from one time to the other, with what happens to replicas.
func (s *story) poll(from, to time.Time) {
	if from.Before(s.polling) {
		from = s.polling
	}
	if !to.After(from) {
		return
	}
	s.polling = to
	for i := range s.authority.replicas {
		r := &s.authority.replicas[i]
		for at := from.Add(s.between(0, keyring.PollEvery)); at.Before(to); at = at.Add(keyring.PollEvery) {
			s.plan(at, func() {
				switch luck := s.chance.IntN(100); {
				case luck < 10: // too busy
				case luck < 11 && time.Now().After(r.cutUntil):
					s.authority.start(r)
				case luck < 13 && time.Now().After(r.cutUntil):
					r.cutUntil = time.Now().Add(s.between(time.Second, keyring.MaxAge-keyring.PollEvery))
				default:
					s.authority.poll(r)
				}
			})
		}
	}
}

// expect looks for the switch that comes by itself.
func (s *story) expect() {
	standby, ok := keyring.StandbyAt(s.authority.keys(), time.Now())
	if !ok {
		return
	}
	s.plan(standby.ActivatesAt.Add(-before), func() {
		if now, ok := keyring.StandbyAt(s.authority.keys(), time.Now()); ok && now == standby {
			s.switches[s.causes[standby.KID]]++
			s.around(standby.ActivatesAt)
			s.plan(standby.ActivatesAt.Add(time.Minute), s.expect)
		}
	})
}

// order carries out an operator's verb at the time, with a lively time about it.
func (s *story) order(at time.Time, c cause, verb func(*keyring.Keyring, keyring.Order) (keyring.Switch, error)) {
	s.plan(at.Add(-before), func() { s.around(at) })
	s.plan(at, func() {
		done, err := verb(s.authority.operator(), keyring.Order{By: audit.ByOperator("zoo"), Why: "zoo", Confirm: func(keyring.Switch) error { return nil }, Waiting: func(keyring.Switch, time.Duration) {
			s.Fatal("the story holds a standby that did not settle")
		}})
		if err != nil {
			s.Fatalf("%s at %s: %v", c, at, err)
		}
		if isRipe := done.StandbyAge >= policy.PublishAhead; isRipe != c.harmless() {
			s.Fatalf("%s at %s: the standby is published for %s", c, at, done.StandbyAge)
		}
		s.switches[c]++
		s.causes[done.To.KID] = c
		if done.At.After(time.Now()) {
			s.around(done.At)
		}
		if done.Revoked.KID != "" {
			s.revoked[done.Revoked.KID] = time.Now()
			s.follow(done.FreshAt)
		}
		s.expect()
	})
}

// cutOff keeps one replica from the database for as long as it may sign; it goes on serving the keys that it knows.
func (s *story) cutOff(at time.Time) {
	s.plan(at, func() { s.authority.replicas[0].cutUntil = at.Add(keyring.MaxAge - keyring.PollEvery) })
}

func (s *story) rotate(at time.Time) {
	s.order(at, rotated, func(k *keyring.Keyring, o keyring.Order) (keyring.Switch, error) { return k.Rotate(s.Context(), o) })
}

func (s *story) emergency(at time.Time, c cause) {
	s.order(at, c, func(k *keyring.Keyring, o keyring.Order) (keyring.Switch, error) {
		if !c.harmless() {
			if _, err := k.Rotate(s.Context(), o); !errors.Is(err, keyring.ErrUnripe) {
				return keyring.Switch{}, fmt.Errorf("keys rotate takes an unripe standby: %w", errors.Join(err, errTaken))
			}
		}
		return k.RotateNow(s.Context(), o)
	})
}

// compromise is a thief with the private key that signs, and its revocation. The thief makes a token that would be good
// forever and shows it to all who are busy, more and more seldom.
func (s *story) compromise(at time.Time, c cause) {
	s.order(at, c, func(k *keyring.Keyring, o keyring.Order) (keyring.Switch, error) {
		signing, _ := keyring.SigningAt(s.authority.keys(), time.Now())
		stolen, err := s.steal(signing.KID)
		if err != nil {
			return keyring.Switch{}, err
		}
		for _, in := range shows() {
			s.plan(at.Add(in), func() { s.show(stolen, at) })
		}
		return k.Revoke(s.Context(), signing.KID, flushAfter, o)
	})
}

var (
	errTaken  = errors.New("want ErrUnripe")
	errHidden = errors.New("no replica signs with the key that is to be stolen")
)

// steal makes a thief's token under the key that signs, with a replica that has heard of it.
func (s *story) steal(kid string) (ticket, error) {
	for n := range s.authority.replicas {
		s.authority.replicas[n].cutUntil = time.Time{}
		s.authority.poll(&s.authority.replicas[n])
		if t := s.authority.sign(n, forever); t.kid == kid {
			return t, nil
		}
	}
	return ticket{}, errHidden
}

func shows() []time.Duration {
	in := []time.Duration{1, time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}
	for m := time.Minute; m < 160*time.Minute; m += time.Minute {
		in = append(in, m)
	}
	for m := 3 * time.Hour; m <= 36*time.Hour; m += time.Hour {
		in = append(in, m)
	}
	return in
}

// show lets everybody who is busy check a token under a key that was revoked then.
func (s *story) show(t ticket, revoked time.Time) {
	now := time.Now()
	for _, a := range s.zoo {
		if !a.busy || now.Before(a.awake) {
			continue
		}
		go func() {
			if a.verify(s.Context(), t) == nil {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.seen.stolen = max(a.seen.stolen, now.Sub(revoked))
			}
		}()
	}
}

// follow notes the fresh key after a revocation.
func (s *story) follow(at time.Time) {
	for _, k := range s.authority.keys() {
		if k.ActivatesAt.Equal(at) {
			s.causes[k.KID] = fresh
		}
	}
}
