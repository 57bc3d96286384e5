package httpapi

import "sync"

// places bounds how many callers hold something at once, in all and per subscriber, so that no
// single one can exclude all others: one has at most half of the places.
type places struct {
	most int

	mu   sync.Mutex
	held int            // guarded by mu
	by   map[string]int // held by subscriber; guarded by mu
}

func newPlaces(most int) *places { return &places{most: most, by: make(map[string]int)} }

// take takes a place and reports whether there was one; "" speaks for many subscribers.
func (p *places) take(subscriber string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= p.most || subscriber != "" && p.by[subscriber] >= (p.most+1)/2 {
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

// full reports whether there is no place for anyone.
func (p *places) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held >= p.most
}

func (p *places) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
