package e2e

import (
	"context"
	"testing"

	"hilum/e2e/balance"
)

// balanced is a balancer for instances on addresses, on a port of its own, until the test ends.
func balanced(t testing.TB, to ...string) *balance.Balancer {
	t.Helper()
	b := must[*balance.Balancer](t)(balance.New(t.Context(), "127.0.0.1:0", to...))
	t.Cleanup(func() { well(t, b.Close()) })
	return b
}

// drains takes an instance out, and waits until nobody waits for an answer of it.
func drains(t testing.TB, b *balance.Balancer, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	well(t, b.Drain(ctx, address))
}
