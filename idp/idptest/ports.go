package idptest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are those of loopback that a package's tests start servers on, From to To. They
// are below those that the kernel gives to whoever asks for any port
// (ip_local_port_range, from 32768 on), so that nobody takes one between finding it and
// using it, and no other package's tests have them: packages are tested at one time.
// Safe for concurrent use.
type Ports struct {
	From, To int
	given    sync.Map // to a test of this process
}

var errNoPort = errors.New("idptest: no free port")

// Hold finds n free ports beside one another and holds them until release; the first is
// returned. A port is handed out once in the life of a process.
func (p *Ports) Hold(n int) (first int, release func(), err error) {
	for range 200 {
		first := p.From + n*rand.IntN((p.To-p.From+1)/n) //nolint:gosec // which port is no secret
		if _, taken := p.given.LoadOrStore(first, true); taken {
			continue
		}
		if release, ok := hold(first, n); ok {
			return first, release, nil
		}
	}
	return 0, nil, errNoPort
}

func hold(first, n int) (release func(), ok bool) {
	var held []net.Listener
	release = func() {
		for _, l := range held {
			l.Close()
		}
	}
	for i := range n {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+i)))
		if err != nil {
			release()
			return nil, false
		}
		held = append(held, l)
	}
	return release, true
}

// Free returns a port that was free a moment ago.
func (p *Ports) Free() (string, error) {
	port, release, err := p.Hold(1)
	if err != nil {
		return "", err
	}
	release()
	return strconv.Itoa(port), nil
}
