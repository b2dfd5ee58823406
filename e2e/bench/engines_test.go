package bench

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"hilum/e2e/crowd"
)

// atMostTimes is how much more of the processor an operation may cost a provider on PostgreSQL
// than one on SQLite: the database works in another process there, on whose account is nothing
// of it.
const atMostTimes = 1.3

// compared are the operations that are measured on both engines.
var compared = []row{
	{name: "refresh, ES256", workers: 16, prepare: refreshes("ES256")},
	{name: "refresh, RS256", workers: 16, prepare: refreshes("RS256")},
	{name: "code exchange, ES256", workers: 16, prepare: exchanges("ES256")},
	{name: "authorize, in a session", workers: 16, prepare: authorizes},
	{name: "userinfo", workers: 16, prepare: asksUserinfo(remembered, 0)},
	{name: "introspection", workers: 16, prepare: asksIntrospection(remembered, 0)},
	{name: "whole sign-in, hash at no cost, RS256", workers: 16, prepare: signIns("RS256")},
}

// TestBenchEngines prints what an operation costs a provider on SQLite and one on PostgreSQL,
// both measured in turn, when BENCH is set and BENCH_ENGINE is both: BENCH seconds for each figure.
// With neither it goes through all of it for a moment, to see that every operation does what it
// should on either; of time it claims nothing then.
func TestBenchEngines(t *testing.T) {
	rounds, span, most := 1, 10*time.Second, 32
	prepared, signIns := 32, 32
	out := io.Discard
	switch bench := os.Getenv("BENCH"); {
	case os.Getenv("BENCH_ENGINE") == onBoth && bench != "":
		var err error
		span, err = time.ParseDuration(bench + "s")
		if err != nil || span <= 0 {
			t.Fatalf("BENCH=%q is not a number of seconds", bench)
		}
		rounds, most = 5, endless
		prepared, signIns = int(6000*span.Seconds()), int(800*span.Seconds())
		out = os.Stdout
	case bench != "":
		return // TestBench measures one of them
	}

	engines := []string{onSQLite, onPostgres}
	sites := make([]*site, len(engines))
	for i, engine := range engines {
		sites[i] = newSiteOn(t, engine, rounds*(signIns+len(compared)), crowd.Least)
		sites[i].prepared, sites[i].signIns = prepared, signIns
		sites[i].start(t)
	}
	cost := make([][2][]float64, len(compared)) // µs, of each engine in each round
	times := make([][]float64, len(compared))   // of PostgreSQL's to SQLite's, in the same round
	for round := range rounds {
		for i, r := range compared {
			var took [2]float64
			for k := range sites {
				e := (k + round) % len(sites) // each is first as often
				n, op := r.prepare(t, sites[e], r.workers)
				took[e] = float64(load(t, sites[e].host, sites[e].pid, r.workers, span, min(n, most), op).cpu) / float64(time.Microsecond)
				cost[i][e] = append(cost[i][e], took[e])
			}
			times[i] = append(times[i], took[1]/took[0])
		}
	}
	for _, s := range sites {
		s.stop(t)
	}
	fmt.Fprintln(out, "\n| operation, the provider's CPU | SQLite, µs | PostgreSQL, µs | ratio | of |\n|---|---|---|---|---|")
	for i, r := range compared {
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.2f | %.1f |\n", r.name, median(cost[i][0]), median(cost[i][1]), median(times[i]), atMostTimes)
	}
	if !apart {
		fmt.Fprintln(out, "\nThe machine has one core for providers and load: of little worth.")
	}
}
