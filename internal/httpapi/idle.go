package httpapi

import "container/list"

// queue holds connections, the longest idle first.
type queue struct{ list.List }

func (q *queue) first() *guardedConn {
	if e := q.Front(); e != nil {
		return e.Value.(*guardedConn)
	}
	return nil
}

// idle holds the connections that wait for a request, in all and by subscriber.
type idle struct {
	all queue
	by  map[string]*queue
}

// spot is where an idle connection stands in both queues; the zero one is not idle.
type spot struct{ all, own *list.Element }

func (i *idle) len() int { return i.all.Len() }

func (i *idle) longest() *guardedConn { return i.all.first() }

func (i *idle) longestOf(peer string) *guardedConn {
	if own := i.by[peer]; own != nil {
		return own.first()
	}
	return nil
}

func (i *idle) add(c *guardedConn) {
	own := i.by[c.peer]
	if own == nil {
		own = new(queue)
		i.by[c.peer] = own
	}
	c.spot = spot{all: i.all.PushBack(c), own: own.PushBack(c)}
}

// remove does nothing if c is not idle.
func (i *idle) remove(c *guardedConn) {
	if c.spot == (spot{}) {
		return
	}
	own := i.by[c.peer]
	i.all.Remove(c.spot.all)
	own.Remove(c.spot.own)
	if own.Len() == 0 {
		delete(i.by, c.peer)
	}
	c.spot = spot{}
}
