package store

import (
	"testing"

	"hilum/idp"
)

// What is remembered is bounded, and the newest of it is there.
func TestIssuedIsBounded(t *testing.T) {
	var i issued[idp.Code]
	hashes := make([]idp.TokenHash, 3*maxIssued)
	for n := range hashes {
		hashes[n] = idp.NewToken().Hash()
		i.put(hashes[n], given[idp.Code]{token: idp.Code{Hash: hashes[n]}})
		if have := len(i.now) + len(i.old); have > 2*maxIssued {
			t.Fatalf("%d are remembered", have)
		}
	}
	for n, h := range hashes {
		g, ok := i.get(h)
		if newest := n >= len(hashes)-maxIssued; newest && !ok {
			t.Fatalf("number %d of %d is forgotten", n, len(hashes))
		}
		if ok && g.token.Hash != h {
			t.Fatal("another one's")
		}
	}
	last := hashes[len(hashes)-1]
	if _, ok := i.take(last); !ok {
		t.Error("the last is not there")
	}
	if _, ok := i.take(last); ok {
		t.Error("taken twice")
	}
	if _, ok := i.get(last); ok {
		t.Error("there after it was taken")
	}
}
