package storm_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Who calls. Owners are orderly clients.
const (
	owner   = "owner"
	thief   = "thief"
	revoker = "revoker"
)

const (
	owners      = 11
	thieves     = 3
	revokers    = 2
	jarsPer     = 8  // sessions that an owner starts at first
	longest     = 60 // refreshes after which an owner logs out and in again: histories stay short
	patient     = 20 * time.Second
	impatient   = 700 * time.Millisecond
	ownerThinks = 40 * time.Millisecond
	otherThinks = 250 * time.Millisecond
)

// players are sixteen clients. Each owner is one machine with tabs to many
// sessions; every third session has a second tab, on another machine, that shares
// the copy of the newest token.
type players struct {
	stage   *stage
	history *history
	witness *witness // nil: none
	seed    uint64
	done    chan struct{} // closed: make an end
	playing sync.WaitGroup
	jars    [owners][]*jar // the sessions that each owner has tabs to
}

// jar is an owner's place for one session after another.
type jar struct {
	twoTabs bool
	lineage atomic.Pointer[lineage]
	filling sync.Mutex // held by the tab that logs in
}

func startPlayers(t testing.TB, s *stage, h *history, seed uint64, w *witness) *players {
	t.Helper()
	p := &players{stage: s, history: h, witness: w, seed: seed, done: make(chan struct{})}
	for i := range owners {
		for n := range jarsPer {
			j := &jar{twoTabs: n%3 == 0}
			p.jars[i] = append(p.jars[i], j)
			if j.twoTabs {
				other := (i + 1) % owners
				p.jars[other] = append(p.jars[other], j)
			}
		}
	}
	for i := range owners {
		p.play(t, i, func(c caller, r *rand.Rand) { p.own(c, r, p.jars[i]) }, ownerThinks)
	}
	for i := range thieves {
		p.play(t, owners+i, p.steal, otherThinks)
	}
	for i := range revokers {
		p.play(t, owners+thieves+i, p.end, otherThinks)
	}
	return p
}

// play has one client act until the end, with pauses to think.
func (p *players) play(t testing.TB, number int, act func(caller, *rand.Rand), thinks time.Duration) {
	t.Helper()
	c, r := newCaller(t), rand.New(rand.NewPCG(p.seed, uint64(number)))
	p.playing.Go(func() {
		for {
			act(c, r)
			select {
			case <-p.done:
				return
			case <-time.After(time.Duration(r.Int64N(int64(2 * thinks)))):
			}
		}
	})
}

func (p *players) stop() {
	close(p.done)
	p.playing.Wait()
}

// replica is where a balancer happens to send a call.
func (p *players) replica(r *rand.Rand) *replica {
	return p.stage.replicas[r.IntN(len(p.stage.replicas))]
}

// patience is how long the caller waits for this answer.
func patience(r *rand.Rand) time.Duration {
	if r.IntN(5) == 0 {
		return impatient
	}
	return patient
}

// own is one act of an owner: with one of its sessions, what an orderly client does.
func (p *players) own(c caller, r *rand.Rand, jars []*jar) {
	j := jars[r.IntN(len(jars))]
	l := j.lineage.Load()
	switch {
	case l == nil || l.isOver():
		p.fill(c, r, j)
	case l.isTired():
		p.leave(c, r, l)
	default:
		p.insist(c, r, l)
	}
}

// insist refreshes, and tries again a few times where there is no answer.
func (p *players) insist(c caller, r *rand.Rand, l *lineage) {
	for range 5 {
		made, started := p.refreshOwn(c, p.replica(r), l, patience(r))
		if !started || made.outcome != unknown {
			return
		}
		wait(time.Duration(r.Int64N(int64(2 * ownerThinks))))
	}
}

// fill logs in, if no other tab does.
func (p *players) fill(c caller, r *rand.Rand, j *jar) {
	if !j.filling.TryLock() {
		return
	}
	defer j.filling.Unlock()
	if l := j.lineage.Load(); l != nil && !l.isOver() {
		return
	}
	a := c.login("http://"+p.replica(r).web.Addr(), patient)
	switch {
	case a.odd != "":
		p.history.complain("a login was answered %s", a.odd)
	case a.outcome == granted:
		exposures := [...]exposure{safe, safe, safe, safe, safe, stolen, stolen, stolen, revocable, revocable}
		if l := p.history.open(a.token, exposures[r.IntN(len(exposures))]); l != nil {
			l.note(a.access)
			j.lineage.Store(l)
		}
	}
}

// refreshOwn is one refresh of an orderly client; false if it may not start one now.
func (p *players) refreshOwn(c caller, to *replica, l *lineage, patience time.Duration) (call, bool) {
	token, f := l.take()
	if f == nil {
		return call{}, false
	}
	made := call{verb: refresh, who: owner, presented: f.presented, began: p.history.now()}
	a := c.refresh("http://"+to.web.Addr(), token, patience)
	made = l.record(made, a)
	l.settle(f, a, to.life.Load())
	if made.outcome == refused {
		l.dismiss(made)
	}
	return made, true
}

// leave logs the owner out. What follows must be refused.
func (p *players) leave(c caller, r *rand.Rand, l *lineage) {
	if p.revoke(c, r, l, owner) {
		l.end()
		p.tryEnded(c, r, l)
	}
}

// steal is one act of a thief, who has copies of tokens of the exposed sessions:
// mostly the one before the newest, at times the newest, at times older ones.
func (p *players) steal(c caller, r *rand.Rand) {
	l := p.pick(r, stolen)
	if l == nil {
		return
	}
	before := [...]int{0, 1, 1, 1, 1, 1, 1, 2, 3, 10}[r.IntN(10)]
	token, generation := l.copied(before)
	l.touch()
	made := call{verb: refresh, who: thief, presented: generation, began: p.history.now()}
	l.record(made, c.refresh("http://"+p.replica(r).web.Addr(), token, patience(r)))
}

// end is one act of a revoker.
func (p *players) end(c caller, r *rand.Rand) {
	if l := p.pick(r, revocable); l != nil && !l.isOver() && r.IntN(3) == 0 {
		if p.revoke(c, r, l, revoker) {
			p.tryEnded(c, r, l)
		}
	}
}

// pick is a recent session that has to fear this, or nil.
func (p *players) pick(r *rand.Rand, exposed exposure) *lineage {
	all := p.history.all()
	all = all[max(0, len(all)-2*owners*jarsPer):]
	for range 20 {
		if len(all) == 0 {
			return nil
		}
		if l := all[r.IntN(len(all))]; l.exposed == exposed {
			return l
		}
	}
	return nil
}

// revoke ends a session by any of its tokens; true if the answer was yes.
func (p *players) revoke(c caller, r *rand.Rand, l *lineage, who string) bool {
	l.touch()
	token, generation := l.copied(r.IntN(3))
	made := call{verb: revoke, who: who, presented: generation, began: p.history.now()}
	made = l.record(made, c.revoke("http://"+p.replica(r).web.Addr(), token, patience(r)))
	if made.outcome == granted && p.witness != nil {
		p.witness.end(l.latest())
	}
	return made.outcome == granted
}

// tryEnded presents the newest token of a session that was just ended, elsewhere.
func (p *players) tryEnded(c caller, r *rand.Rand, l *lineage) {
	token, generation := l.copied(0)
	made := call{verb: refresh, who: revoker, presented: generation, began: p.history.now()}
	l.record(made, c.refresh("http://"+p.replica(r).web.Addr(), token, patience(r)))
}
