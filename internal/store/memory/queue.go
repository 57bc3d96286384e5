package memory

import (
	"container/heap"
	"time"
)

// queue keeps values in the order of their times, the earliest first.
type queue[T any] struct{ order byTime[T] }

// queued is a value in a queue.
type queued[T any] struct {
	value T
	at    time.Time
	index int // in the heap
}

// first returns the earliest value, or nil.
func (q *queue[T]) first() *queued[T] {
	if len(q.order) == 0 {
		return nil
	}
	return q.order[0]
}

func (q *queue[T]) add(x *queued[T])    { heap.Push(&q.order, x) }
func (q *queue[T]) remove(x *queued[T]) { heap.Remove(&q.order, x.index) }

// move puts a value that is in the queue at another time.
func (q *queue[T]) move(x *queued[T], at time.Time) {
	x.at = at
	heap.Fix(&q.order, x.index)
}

// byTime is a heap of values by their times.
type byTime[T any] []*queued[T]

func (h byTime[T]) Len() int           { return len(h) }
func (h byTime[T]) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h byTime[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *byTime[T]) Push(x any) {
	last := x.(*queued[T])
	last.index = len(*h)
	*h = append(*h, last)
}

// Pop implements [heap.Interface].
func (h *byTime[T]) Pop() any {
	old := *h
	last := len(old) - 1
	x := old[last]
	old[last] = nil
	*h = old[:last]
	return x
}
