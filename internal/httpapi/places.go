package httpapi

import "sync"

// places bounds how many callers hold something at once, in all and per subscriber, so that no
// single one can exclude all others.
type places struct {
	most, each int

	mu   sync.Mutex
	held int            // guarded by mu
	by   map[string]int // held by subscriber; guarded by mu
}

func newPlaces(most, each int) *places {
	return &places{most: most, each: each, by: make(map[string]int)}
}

// take takes a place and reports whether there was one.
func (p *places) take(subscriber string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= p.most || p.by[subscriber] >= p.each {
		return false
	}
	p.held++
	p.by[subscriber]++
	return true
}

func (p *places) leave(subscriber string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
	if p.by[subscriber]--; p.by[subscriber] == 0 {
		delete(p.by, subscriber)
	}
}

// spent reports whether the subscriber holds all that it may.
func (p *places) spent(subscriber string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[subscriber] >= p.each
}

func (p *places) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
