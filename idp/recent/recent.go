// Package recent keeps what happened lately, in memory and within bounds: nothing
// of it is needed for anything but to be looked at.
package recent

import (
	"container/list"
	"slices"
	"sync"

	"hilum/idp"
)

// Bounds. What is kept is made by whoever knows a client's id.
const (
	PerClient = 10
	Clients   = 1000
)

// Rejections are the last refused requests of each client. The zero value is ready.
// Safe for concurrent use.
type Rejections struct {
	mu    sync.Mutex
	of    map[idp.ClientID]*list.Element // of order
	order list.List                      // of *rejected, latest first
}

type rejected struct {
	client idp.ClientID
	last   []idp.Rejection // latest first
}

// Add keeps one. One like another of the same client takes its place and counts on:
// an application that tries again and again does not push out what else there was.
func (r *Rejections) Add(client idp.ClientID, one idp.Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.of[client]
	if e == nil {
		if r.of == nil {
			r.of = map[idp.ClientID]*list.Element{}
		}
		if r.order.Len() >= Clients {
			oldest := r.order.Back()
			delete(r.of, oldest.Value.(*rejected).client)
			r.order.Remove(oldest)
		}
		e = r.order.PushFront(&rejected{client: client})
		r.of[client] = e
	}
	r.order.MoveToFront(e)
	all := e.Value.(*rejected)
	one.Times = max(one.Times, 1)
	if i := slices.IndexFunc(all.last, func(o idp.Rejection) bool { return o.Like(&one) }); i >= 0 {
		one.Times += all.last[i].Times
		all.last = slices.Delete(all.last, i, i+1)
	}
	all.last = slices.Insert(all.last, 0, one)
	all.last = all.last[:min(len(all.last), PerClient)]
}

// Of returns those of a client, latest first.
func (r *Rejections) Of(client idp.ClientID) []idp.Rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.of[client]; e != nil {
		return slices.Clone(e.Value.(*rejected).last)
	}
	return nil
}
