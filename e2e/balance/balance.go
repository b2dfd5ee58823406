// Package balance is a plain TCP balancer, for tests of several instances: it reads nothing of
// what it passes on, asks nobody how they are, and sends nobody to where they were before.
package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// takesWithin is how long an instance may take to accept a connection, before the next one is tried.
const takesWithin = time.Second

// Balancer hands each connection to the next one in turn of the instances that accepts it, and
// closes it where none does. Safe for concurrent use.
type Balancer struct {
	listener net.Listener
	all      sync.WaitGroup

	mu     sync.Mutex
	to     []string
	turn   int
	passes map[string]int // connections that an instance has
	open   map[net.Conn]bool
	closed bool
}

// New begins to listen on an address, host:port with 0 for any port, for instances on others. It
// goes on until Close.
func New(ctx context.Context, on string, to ...string) (*Balancer, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", on)
	if err != nil {
		return nil, err
	}
	b := &Balancer{listener: l, to: to, passes: map[string]int{}, open: map[net.Conn]bool{}}
	b.all.Go(func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.all.Go(func() { b.pass(c) }) // ends when either end closes it, or with Close
		}
	})
	return b, nil
}

// Addr is where it listens.
func (b *Balancer) Addr() net.Addr { return b.listener.Addr() }

// Add has an instance take connections, too.
func (b *Balancer) Add(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = append(b.to, address)
}

// Drain gives an instance no more connections, and waits until those that it has are closed.
// Errors: ctx ended before.
func (b *Balancer) Drain(ctx context.Context, address string) error {
	b.mu.Lock()
	b.to = slices.DeleteFunc(slices.Clone(b.to), func(a string) bool { return a == address })
	b.mu.Unlock()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		b.mu.Lock()
		left := b.passes[address]
		b.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d connections of %s do not end: %w", left, address, ctx.Err())
		case <-tick.C:
		}
	}
}

// Close closes all connections and waits until nothing is passed on.
func (b *Balancer) Close() error {
	err := b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for c := range b.open {
		err = errors.Join(err, c.Close())
	}
	clear(b.open)
	b.mu.Unlock()
	b.all.Wait()
	return err
}

// pass passes a connection on until one of its ends closes it.
func (b *Balancer) pass(c net.Conn) {
	defer b.forget(c)
	if !b.keep(c) {
		return
	}
	next, address := b.next()
	if next == nil {
		return
	}
	defer b.gone(address)
	defer b.forget(next)
	if !b.keep(next) {
		return
	}
	var ended sync.WaitGroup
	defer ended.Wait()
	ended.Go(func() { // ends when either is closed
		_, _ = io.Copy(next, c) // whose end it was is no concern of ours
		b.forget(next)
	})
	_, _ = io.Copy(c, next)
	b.forget(c)
}

// next connects to the next one in turn that accepts; nil: none does.
func (b *Balancer) next() (c net.Conn, address string) {
	b.mu.Lock()
	to, first := b.to, b.turn
	b.turn++
	b.mu.Unlock()
	for i := range to {
		address = to[(first+i)%len(to)]
		b.mu.Lock()
		b.passes[address]++
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), takesWithin)
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		cancel()
		if err == nil {
			return c, address
		}
		b.gone(address)
	}
	return nil, ""
}

func (b *Balancer) gone(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passes[address]--
}

// keep remembers a connection for Close; false: it was closed, since Close was called.
func (b *Balancer) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = c.Close() // there is nothing on it yet
		return false
	}
	b.open[c] = true
	return true
}

// forget closes a connection, unless that was done.
func (b *Balancer) forget(c net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[c] {
		delete(b.open, c)
		_ = c.Close() // either end may have done so
	}
}
