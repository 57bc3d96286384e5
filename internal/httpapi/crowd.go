package httpapi

import (
	"cmp"
	"container/heap"
	"container/list"
)

// crowd holds connections by subscriber, each with a weight. It knows the heaviest subscriber, and of each subscriber the
// connection that came first. It is not safe for concurrent use.
type crowd struct {
	members map[*guardedConn]*member
	by      map[string]*group
	groups  heaviestFirst
	weight  int // of all
	came    int // members so far
}

type member struct {
	conn   *guardedConn
	weight int
	place  int           // in the order of coming
	spot   *list.Element // in its group
}

// group is what one subscriber has in a crowd.
type group struct {
	members list.List // of *member, the first to come at the front
	weight  int
	at      int // in the heap
}

func (g *group) first() *member { return g.members.Front().Value.(*member) }

func newCrowd() *crowd {
	return &crowd{members: make(map[*guardedConn]*member), by: make(map[string]*group)}
}

// put sets the weight of a connection. It comes when it gets a weight, and leaves when it has none.
func (w *crowd) put(c *guardedConn, weight int) {
	m := w.members[c]
	if m == nil && weight == 0 {
		return
	}
	if m == nil {
		m = w.join(c)
	}
	g := w.by[c.peer]
	w.weight += weight - m.weight
	g.weight += weight - m.weight
	m.weight = weight
	switch {
	case weight > 0:
	case g.members.Len() == 1:
		delete(w.members, c)
		delete(w.by, c.peer)
		heap.Remove(&w.groups, g.at)
		return
	default:
		delete(w.members, c)
		g.members.Remove(m.spot)
	}
	heap.Fix(&w.groups, g.at)
}

func (w *crowd) join(c *guardedConn) *member {
	g := w.by[c.peer]
	m := &member{conn: c, place: w.came}
	w.came++
	w.members[c] = m
	if g != nil {
		m.spot = g.members.PushBack(m)
		return m
	}
	g = new(group)
	m.spot = g.members.PushBack(m)
	w.by[c.peer] = g
	heap.Push(&w.groups, g)
	return m
}

// firstOf is the connection of the subscriber that came first, or nil.
func (w *crowd) firstOf(subscriber string) *guardedConn {
	if g := w.by[subscriber]; g != nil {
		return g.first().conn
	}
	return nil
}

// firstOfHeaviest is the connection of the heaviest subscriber that came first, or nil. Of subscribers that weigh the
// same, it is the one whose first connection came first.
func (w *crowd) firstOfHeaviest() *guardedConn {
	if len(w.groups) == 0 {
		return nil
	}
	return w.groups[0].first().conn
}

// heaviestFirst is a heap (container/heap).
type heaviestFirst []*group

func (h heaviestFirst) Len() int { return len(h) }

func (h heaviestFirst) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[j].weight, h[i].weight), cmp.Compare(h[i].first().place, h[j].first().place)) < 0
}

func (h heaviestFirst) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push and Pop are for container/heap.
func (h *heaviestFirst) Push(x any) {
	g := x.(*group)
	g.at = len(*h)
	*h = append(*h, g)
}

// Pop removes the last group.
func (h *heaviestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}
