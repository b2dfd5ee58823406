package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hilum/e2e/crowd"
)

// place is where it is measured: an engine, and how many grants are in its database at first.
type place struct {
	engine string
	grants int
	dear   bool // passwords are hashed as they are shipped
}

func (p place) name() string {
	name := map[string]string{onSQLite: "SQLite", onPostgres: "PostgreSQL"}[p.engine]
	if p.dear {
		name += ", default hash"
	}
	return name
}

// measured is a row: what is measured, at which places, so many at once each.
type measured struct {
	what, tokens, limit, note string
	atOnce                    []int
	at                        func(place) bool
	prepare                   func(part int) prepare
}

// busy are how many ask at once, unless a row says otherwise.
var busy = []int{16, 64}

const (
	hashed      = "argon2id, default cost"
	rs256       = "RS256 signature"
	es256       = "ES256 signature"
	wholeSignIn = "whole sign-in"
	oneFlush    = "SQLite commit, raw, one row"
)

func anywhere(p place) bool   { return !p.dear }
func amongMany(p place) bool  { return !p.dear && p.grants > fewGrants }
func atTheFirst(p place) bool { return !p.dear && p.grants == fewGrants }
func whereDear(p place) bool  { return p.dear }
func onFile(p place) bool     { return atTheFirst(p) && p.engine == onSQLite }

// same is a row that has no part of what was made before.
func same(of prepare) func(int) prepare { return func(int) prepare { return of } }

// All that is measured. Beside a token stands the signature that it needs, beside what only
// commits a commit, and beside what only answers an answer.
var all = []measured{
	{"userinfo", remembered, netHTTP, "", busy, anywhere, func(n int) prepare { return asksUserinfo(remembered, n) }},
	{"userinfo", newToken, netHTTP, "", busy, amongMany, func(n int) prepare { return asksUserinfo(newToken, n) }},
	{"introspection", remembered, netHTTP, "", busy, anywhere, func(n int) prepare { return asksIntrospection(remembered, n) }},
	{"introspection", newToken, netHTTP, "", busy, amongMany, func(n int) prepare { return asksIntrospection(newToken, n) }},
	{"refresh, RS256", remembered, rs256, "", busy, anywhere, same(refreshes("RS256"))},
	{"refresh, RS256", newToken, rs256, "", busy, amongMany, func(n int) prepare { return refreshesNew("RS256", n) }},
	{"refresh, ES256", remembered, es256, "", busy, anywhere, same(refreshes("ES256"))},
	{"refresh, ES256", newToken, es256, "", busy, amongMany, func(n int) prepare { return refreshesNew("ES256", n) }},
	{"code exchange, RS256", "", rs256, "", busy, atTheFirst, same(exchanges("RS256"))},
	{"code exchange, ES256", "", es256, "", busy, atTheFirst, same(exchanges("ES256"))},
	{"code exchange, at+jwt, ES256", "", twoSignatures, "", busy[:1], onFile, same(exchanges(withJWT))},
	{"token exchange, at+jwt, ES256", "", es256, "", busy[:1], onFile, same(swaps)},
	{"PAR, authorize and code exchange, private_key_jwt and DPoP, ES256", "", fourAndOne, "", busy[:1], onFile, same(boundSignIns)},
	{"authorize, in a session", "", oneFlush, "one session for all", busy, atTheFirst, same(authorizes)},
	{"client credentials", "", oneFlush, "", busy, atTheFirst, same(credentials)},
	{"discovery", "", netHTTP, "", busy, atTheFirst, same(prepared("/.well-known/openid-configuration", `"issuer"`))},
	{"jwks", "", netHTTP, "", busy, atTheFirst, same(prepared("/jwks", `"keys"`))},
	{wholeSignIn + ", minimal hash, RS256", "", rs256, "", busy, atTheFirst, same(signIns("RS256"))},
	{wholeSignIn + ", minimal hash, ES256", "", es256, "", busy, atTheFirst, same(signIns("ES256"))},
	{wholeSignIn + ", default hash, RS256", "", hashed, "", []int{hashers}, whereDear, same(signIns("RS256"))},
}

// hashers is how many sign in at once where a password costs what it should.
const hashers = 4

// extent is how much is measured.
type extent struct {
	rounds   int
	span     time.Duration
	most     int   // operations of a figure
	grants   []int // there are at first
	prepared int   // codes
	signIns  int
	dear     int // sign-ins at the default hash
	starts   int
	tokens   int           // different ones, after which memory is looked at
	after    int           // sign-ins, after which it is
	waiting  int           // browsers, and phones that listen
	rest     time.Duration // as long as it takes a provider to come to rest
	folder   string
}

// moment goes through all of it, to see that every operation does what it should.
func moment(t *testing.T) extent {
	return extent{rounds: 1, span: 10 * time.Second, most: 16, grants: []int{fewGrants, 1200}, prepared: 16, signIns: 16, dear: 4, starts: 1, tokens: 32, after: 8, waiting: 20, rest: 100 * time.Millisecond, folder: t.TempDir()}
}

// extentOf is what BENCH and GRANTS ask for.
func extentOf(t *testing.T) (x extent, judged bool) {
	t.Helper()
	s := os.Getenv("BENCH")
	if s == "" {
		return moment(t), false
	}
	span, err := time.ParseDuration(s + "s")
	if err != nil || span <= 0 {
		t.Fatalf("BENCH=%q is not a number of seconds", s)
	}
	x = extent{
		rounds: 3, span: span, most: endless, grants: []int{fewGrants, 100_000}, prepared: int(6000 * span.Seconds()), signIns: int(1000 * span.Seconds()),
		dear: int(60 * span.Seconds()), starts: 10, tokens: 60_000, after: 1000, waiting: 10_000, rest: 3 * time.Second, folder: "../../docs/performance",
	}
	if s := os.Getenv("GRANTS"); s != "" {
		x.grants = []int{fewGrants}
		for one := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(one)
			if err != nil || n <= fewGrants {
				t.Fatalf("GRANTS=%q: numbers above %d, with commas", s, fewGrants)
			}
			x.grants = append(x.grants, n)
		}
	}
	if s := os.Getenv("BENCH_OUT"); s != "" {
		x.folder = s
	}
	return x, true
}

// keptTokens is of how many grants of each application the tokens are kept: half of them for
// what is asked with access tokens.
func (x extent) keptTokens(grants int) int { return min(grants/2, 120_000) }

// part is how many new tokens a figure of a round has, of those kept of one application and kind.
func (x extent) part(grants int) int { return x.keptTokens(grants) / 2 / len(busy) / x.rounds * 9 / 10 }

// signInRows is how many figures of a round and place are whole sign-ins.
func signInRows() (n int) {
	for _, m := range all {
		if strings.HasPrefix(m.what, wholeSignIn) && !m.at(place{dear: true}) {
			n += len(m.atOnce)
		}
	}
	return n
}

// standing is a site that runs.
type standing struct {
	place
	*site
}

// stands makes and starts the sites, at as many places as there are.
func (x extent) stands(t *testing.T) []standing {
	t.Helper()
	var places []place
	for _, engine := range []string{onSQLite, onPostgres} {
		for _, n := range x.grants {
			places = append(places, place{engine: engine, grants: n})
		}
	}
	places = append(places, place{engine: onSQLite, grants: fewGrants, dear: true})
	var sites []standing
	for _, p := range places {
		people := 2 * (len(all) + fewGrants)
		switch {
		case p.dear:
			people = x.dear + fewGrants
		case p.grants == fewGrants:
			people += signInRows() * x.signIns // of a round, so that nobody has to wait
		default:
			people += min(1000, p.grants/100)
		}
		s := newSiteOn(t, p.engine, people, crowd.Least)
		s.prepared, s.signIns = x.prepared, x.signIns
		if p.dear {
			s.signIns = x.dear
			s.hashesDearly(t)
		}
		s.start(t)
		if p.grants > fewGrants {
			names := s.holders(t, min(1000, p.grants/100))
			s.stop(t)
			s.seed(t, fillBinary, names, p.grants, x.keptTokens(p.grants))
			s.start(t)
		}
		sites = append(sites, standing{p, s})
	}
	return sites
}

// asShipped takes away what makes hashes cheap.
func (s *site) asShipped() {
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "IDP_PASSWORD_") })
}

// hashesDearly has a site hash passwords as it is shipped; each person's is hashed anew at their
// next sign-in.
func (s *site) hashesDearly(t testing.TB) {
	t.Helper()
	s.asShipped()
	s.start(t)
	n, op := signIns("RS256")(t, s, hashers)
	load(t, s.host, s.pid, hashers, time.Hour, n, op)
	s.stop(t)
}

// limitNames are the limits of the rows, and what they are compared with in turn.
func limitNames() []string {
	names := []string{goSigns, opensslRSA, opensslEC}
	for _, m := range all {
		names = append(names, m.limit)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestBench measures when BENCH is set, as many seconds for each figure as it says, among as
// many grants as GRANTS says, and writes docs/performance. Else it goes through all of it for a
// moment, to see that every operation does what it should; of time it claims nothing then.
func TestBench(t *testing.T) {
	if os.Getenv("BENCH_ENGINE") == onBoth || os.Getenv("PAIR") != "" {
		return // others measure
	}
	x, judged := extentOf(t)
	r := &record{conditions: about(t, x.span, x.rounds)}
	r.Sizes = x.sizes(t)
	sites := x.stands(t)
	r.PostgreSQL = versionOf(t, sites)
	r.Limits, r.Loads = x.loads(t, sites)
	for _, s := range sites {
		s.stop(t)
	}

	last, err := lastRecord(filepath.Join(x.folder, "bench.json"))
	check(t, err)
	date := ""
	if last != nil {
		date = last.Date
	}
	against := r.weigh(last)
	says := against.lines(date)
	for name, text := range map[string][]byte{"bench.svg": r.svg(), "bench.md": r.markdown(says), "bench.json": must(json.MarshalIndent(r, "", " "))} {
		check(t, os.WriteFile(filepath.Join(x.folder, name), append(bytes.TrimRight(text, "\n"), '\n'), 0o644))
	}
	r.whole(t, x)
	if judged {
		fmt.Println(string(r.markdown(says)))
		fmt.Println(loud(says))
	}
}

// loads measures every row at every place, and the limits, in turn.
func (x extent) loads(t *testing.T, sites []standing) (limits []limit, loads []figure) {
	t.Helper()
	atMost := map[string][]sample{}
	samples := map[string][]sample{}
	for range x.rounds {
		for _, name := range limitNames() {
			atMost[name] = append(atMost[name], measureLimit(t, name, min(x.span, time.Duration(x.most)*10*time.Millisecond)))
		}
		for _, m := range all {
			for _, s := range sites {
				if !m.at(s.place) {
					continue
				}
				for _, workers := range m.atOnce {
					n, op := m.prepare(x.part(s.grants))(t, s.site, workers)
					f := m.figure(s.place, workers)
					samples[f.key()] = append(samples[f.key()], load(t, s.host, s.pid, workers, x.span, min(n, x.most), op))
				}
			}
		}
		for _, s := range sites {
			check(t, os.Truncate(s.log, 0))
		}
	}
	for _, name := range limitNames() {
		m := medianOf(atMost[name])
		l := limit{Name: name, Rate: round(m.perSecond, 4), CPU: round(m.cpu.Seconds()*1e6, 4)}
		for _, s := range atMost[name] {
			l.Rounds = append(l.Rounds, round(s.cpu.Seconds()*1e6, 4))
		}
		limits = append(limits, l)
	}
	for _, m := range all {
		for _, s := range sites {
			for _, workers := range m.atOnce {
				if m.at(s.place) {
					f := m.figure(s.place, workers)
					f.fill(samples[f.key()], atMost[m.limit])
					loads = append(loads, *f)
				}
			}
		}
	}
	return limits, loads
}

func (m *measured) figure(p place, workers int) *figure {
	return &figure{What: m.what, On: p.name(), Tokens: m.tokens, Among: p.grants, AtOnce: workers, Of: m.limit, Note: m.note}
}

// fill sets what the rounds have shown, each beside the limit of its own.
func (f *figure) fill(rounds []sample, limit []sample) {
	m := medianOf(rounds)
	f.Rate, f.P50, f.P99, f.CPU = round(m.perSecond, 4), round(ms(m.p50), 3), round(ms(m.p99), 3), round(m.cpu.Seconds()*1e6, 4)
	f.Most = round(medianOf(limit).perSecond, 4)
	for i, s := range rounds {
		f.Shares = append(f.Shares, round(s.perSecond/limit[i].perSecond, 4))
		f.Costs = append(f.Costs, round(s.cpu.Seconds()/limit[i].cpu.Seconds(), 4))
	}
}

// versionOf is the version of the PostgreSQL that is measured.
func versionOf(t *testing.T, sites []standing) string {
	t.Helper()
	i := slices.IndexFunc(sites, func(s standing) bool { return s.engine == onPostgres })
	return (&fleet{site: sites[i].site}).text(t, "SELECT split_part(current_setting('server_version'), ' ', 1)")
}

// whole looks whether the record has what was measured: each row at each place, and nothing that
// is not a number above zero.
func (r *record) whole(t *testing.T, x extent) {
	t.Helper()
	want := 0
	for _, m := range all {
		for _, engine := range []string{onSQLite, onPostgres} {
			for _, n := range x.grants {
				if m.at(place{engine: engine, grants: n}) {
					want += len(m.atOnce)
				}
			}
		}
		if m.at(place{engine: onSQLite, grants: fewGrants, dear: true}) {
			want += len(m.atOnce)
		}
	}
	if len(r.Loads) != want {
		t.Errorf("%d rows, want %d", len(r.Loads), want)
	}
	keys := map[string]bool{}
	for _, f := range r.Loads {
		if keys[f.key()] || f.Rate <= 0 || f.CPU <= 0 || f.P99 < f.P50 || f.Most <= 0 || len(f.Shares) != x.rounds {
			t.Errorf("a row is none: %+v", f)
		}
		keys[f.key()] = true
	}
	for _, s := range r.Sizes {
		if s.Value <= 0 {
			t.Errorf("a size is none: %+v", s)
		}
	}
}

// loud is what has to be seen, framed.
func loud(says []string) string {
	bar := strings.Repeat("=", 80)
	return strings.Join(slices.Concat([]string{bar}, says, []string{bar}), "\n")
}
