package e2e

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// balancer hands each TCP connection to the next one in turn of the addresses that takes it, as
// the plainest balancers do: it reads nothing of what it passes on, and asks nobody how they are.
type balancer struct {
	net.Listener
	to   []string
	turn atomic.Uint64
	all  sync.WaitGroup
}

// balance begins to, on a port of its own, until the test ends.
func balance(t testing.TB, to ...string) *balancer {
	t.Helper()
	b := &balancer{Listener: must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")), to: to}
	b.all.Go(func() { // ends with the listener
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			b.all.Go(func() { b.pass(c) }) // ends with the connection
		}
	})
	t.Cleanup(func() {
		b.Close()
		b.all.Wait()
	})
	return b
}

// pass passes a connection on until one of its ends closes it, and closes it where nobody takes
// it.
func (b *balancer) pass(c net.Conn) {
	defer c.Close()
	for range b.to {
		next, err := net.DialTimeout("tcp", b.to[b.turn.Add(1)%uint64(len(b.to))], time.Second)
		if err != nil {
			continue
		}
		defer next.Close()
		over := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{next, c}, {c, next}} {
			b.all.Go(func() { // ends when either end is closed, which the first one to end does
				_, _ = io.Copy(way[0], way[1])
				over <- struct{}{}
			})
		}
		<-over
		return
	}
}
