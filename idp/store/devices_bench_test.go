package store

import (
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/keyring"
	"hilum/idp/store/find"
	"hilum/idp/store/sqlite"
	"hilum/idp/text"
)

// TestBenchDevices measures the device page and the import over as many people
// as DEVICES_PEOPLE says, three devices each. `make bench` takes a million; a
// short run, of ten thousand, is a test like any other.
func TestBenchDevices(t *testing.T) {
	people, rounds := 10_000, 3
	if s := os.Getenv("DEVICES_PEOPLE"); s != "" {
		var err error
		if people, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		rounds = 300
	} else if testing.Short() {
		people = 1000
	}
	path := filepath.Join(t.TempDir(), "idp.db")
	if dir := os.Getenv("DEVICES_DIR"); dir != "" {
		path = filepath.Join(dir, fmt.Sprintf("devices-%d.db", people)) // kept from run to run
	}
	began := time.Now()
	if _, err := os.Stat(path); err != nil {
		seed(t, path, make([]byte, 32), people, false)
	}
	db, err := Open(t.Context(), Config{Key: make([]byte, 32), Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h, err := db.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d people, %d devices, %.2f GB, %d B per device; made in %s", h.Rows["users"], h.Rows["devices"], float64(h.Bytes)/1e9,
		h.Bytes/max(h.Rows["devices"], 1), time.Since(began).Round(time.Second))
	desk := admin.New(admin.Config{Store: db})
	b := &deviceBench{t: t, db: db, desk: desk, rounds: rounds}
	b.table()
	t.Logf("the worst p99 is %s, aimed for: less than 50 ms", b.worst)
	b.imports(min(10_000, people))
}

type deviceBench struct {
	t      *testing.T
	db     *DB
	desk   *admin.Desk
	rounds int
	worst  time.Duration
}

func (b *deviceBench) line(name string, query func(round int) idp.DeviceQuery) {
	b.t.Helper()
	took := make([]time.Duration, b.rounds)
	rows, short := 0, 0
	for i := range min(b.rounds/2, 48) { // every sort once: what is measured is not the disk
		if _, err := b.desk.SearchDevices(b.t.Context(), admin.Console("console:test"), query(i)); err != nil {
			b.t.Fatalf("%s: %v", name, err)
		}
	}
	var p *idp.DevicePage
	for i := range took {
		q := query(i)
		began := time.Now()
		var err error
		if p, err = b.desk.SearchDevices(b.t.Context(), admin.Console("console:test"), q); err != nil {
			b.t.Fatalf("%s: %v", name, err)
		}
		took[i] = time.Since(began)
		rows += len(p.Rows)
		if p.Partial {
			short++
		}
	}
	slices.Sort(took)
	at := func(share float64) time.Duration {
		return took[min(len(took)-1, int(math.Ceil(share*float64(len(took))))-1)]
	}
	if at(0.99) > b.worst {
		b.worst = at(0.99)
	}
	total := "many"
	if p.Total != nil {
		total = strconv.Itoa(p.Total.N)
		if p.Total.More {
			total += "+"
		}
	}
	b.t.Logf("%-44s %8.1f %8.1f %8.1f  %6.1f  %6s  %s", name, ms(at(0.5)), ms(at(0.95)), ms(at(0.99)), float64(rows)/float64(b.rounds), total,
		strings.Repeat("short ", min(short, 1)))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (b *deviceBench) table() {
	b.t.Logf("%-44s %8s %8s %8s  %6s  %6s", "milliseconds", "p50", "p95", "p99", "rows", "found")
	sorts := idp.DeviceSorts
	any := func(words ...string) func(int) idp.DeviceQuery {
		return func(i int) idp.DeviceQuery {
			return idp.DeviceQuery{Words: words[i%len(words)], Sort: sorts[i/len(words)%len(sorts)], Down: i/len(words)/len(sorts)%2 == 1}
		}
	}
	five := func(s string) string { return string([]rune(s)[:min(5, len([]rune(s)))]) }
	letters := strings.Split("abcdefghijklmnoprstuvwz", "")
	b.line("one letter", any(letters...))
	b.line("a digit", any("1", "7", "9"))
	b.line("a letter that nothing begins with", any("х", "q"))
	b.line("two letters", any("an", "me", "ip", "st", "sa", "br", "zu", "ko"))
	b.line("two letters, rare", any("xa", "ox", "yv", "uz"))
	b.line("three letters", any("ann", "mei", "sam", "aut", "ber"))
	b.line("five letters, common", any("iphon", "pixel", "samsu", "authe"))
	b.line("five letters, a name", any(five(bench.family(3)), five(bench.family(40)), five(bench.family(500)), five(bench.family(4000))))
	b.line("five letters, nobody", any("xqzvw", "qqqqq"))
	b.line("a whole sign-in name", any(bench.login(77), bench.login(4242), bench.login(999)))
	b.line("two words, common", any("an iphone", "ma pixel", "s g", "pr me"))
	b.line("two words, a person's names", any(bench.given(1)+" "+bench.family(2), bench.given(30)+" "+bench.family(300)))
	for _, f := range idp.DeviceFacets {
		b.line("facet "+string(f), func(i int) idp.DeviceQuery {
			return idp.DeviceQuery{Facets: []idp.DeviceFacet{f}, Sort: sorts[i%len(sorts)], Down: i/len(sorts)%2 == 1}
		})
	}
	b.line("facets unused, only, and two letters", func(i int) idp.DeviceQuery {
		return idp.DeviceQuery{Words: []string{"an", "me", "sa"}[i%3], Facets: []idp.DeviceFacet{idp.FacetUnused, idp.FacetOnly}, Sort: sorts[i%len(sorts)]}
	})
	b.line("facets failing, ios", func(i int) idp.DeviceQuery {
		return idp.DeviceQuery{Facets: []idp.DeviceFacet{idp.FacetFailing, idp.FacetIOS}, Sort: sorts[i%len(sorts)]}
	})
	for _, s := range sorts {
		b.line("first page by "+string(s), func(i int) idp.DeviceQuery { return idp.DeviceQuery{Sort: s, Down: i%2 == 1} })
		b.line("next page by "+string(s), b.turning(idp.DeviceQuery{Sort: s}, 1))
		b.line("page 1000 by "+string(s), b.turning(idp.DeviceQuery{Sort: s}, 1000))
	}
	b.line("next page of a word", b.turning(idp.DeviceQuery{Words: "an"}, 1))
	b.line("page 1000 of a word", b.turning(idp.DeviceQuery{Words: "an", Sort: idp.DevicesByUsed, Down: true}, 1000))
	b.line("back from page 1000", b.back(idp.DeviceQuery{Words: "m"}, 1000))
	b.line("200 rows of a word", func(int) idp.DeviceQuery { return idp.DeviceQuery{Words: "an", Page: idp.Page{Limit: 200}} })
}

// turning turns so many pages, and from there one page a round.
func (b *deviceBench) turning(q idp.DeviceQuery, pages int) func(int) idp.DeviceQuery {
	turn := func() {
		p, err := b.desk.SearchDevices(b.t.Context(), admin.Console("console:test"), q)
		if err != nil {
			b.t.Fatal(err)
		}
		if q.After = p.Next; q.After == "" && pages > 1 {
			return
		}
	}
	for range min(pages, 20*b.rounds) {
		turn()
	}
	return func(i int) idp.DeviceQuery {
		if i > 0 {
			turn()
		}
		return q
	}
}

func (b *deviceBench) back(q idp.DeviceQuery, pages int) func(int) idp.DeviceQuery {
	next := b.turning(q, pages)
	from := next(0)
	from.Before, from.After = from.After, ""
	return func(int) idp.DeviceQuery { return from }
}

func (b *deviceBench) imports(n int) {
	var file strings.Builder
	file.WriteString("username,name,email,groups\n")
	tag := strconv.FormatInt(time.Now().UnixNano(), 36)
	for i := range n {
		fmt.Fprintf(&file, "new.%s.%d,%s %s,new.%s.%d@klinikum.example,radiology\n", tag, i, bench.given(i), bench.family(i), tag, i)
	}
	for _, dry := range []bool{true, false} {
		told, longest := 0, time.Duration(0)
		peak, pauses, stop := b.beside()
		began, last := time.Now(), time.Now()
		got, err := b.desk.ImportUsers(b.t.Context(), admin.Console("console:test"), strings.NewReader(file.String()), admin.ImportHow{Dry: dry}, func(admin.ImportStep) {
			told++
			longest = max(longest, time.Since(last))
			last = time.Now()
		})
		took := time.Since(began)
		stop()
		if err != nil || len(got.Faults) > 0 || !dry && got.Added != n {
			b.t.Fatalf("import: %+v, %v", got, err)
		}
		b.t.Logf("import of %d people, dry %v: %.1f s, %.0f rows/s, heap at most %.0f MB, progress told %d times, at most %.0f ms between", n, dry, took.Seconds(),
			float64(n)/took.Seconds(), float64(*peak)/1e6, told, ms(longest))
		slices.Sort(*pauses)
		if len(*pauses) > 0 {
			b.t.Logf("  a sign-in's write beside it: %d of them, the middle one %.1f ms, the longest %.0f ms", len(*pauses), ms((*pauses)[len(*pauses)/2]), ms((*pauses)[len(*pauses)-1]))
		}
	}
}

// beside writes what a sign-in writes, one after the other, and looks at the
// heap, until it is stopped.
func (b *deviceBench) beside() (peak *uint64, pauses *[]time.Duration, stop func()) {
	peak, pauses = new(uint64), new([]time.Duration)
	done, wg := make(chan struct{}), sync.WaitGroup{}
	runtime.GC()
	wg.Go(func() { // ends with done
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			now := time.Now()
			l := &idp.Login{ID: idp.NewID[idp.LoginID](), Purpose: idp.ForAccount, State: idp.LoginPassword, Browser: idp.NewToken().Hash(), CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
			if err := b.db.AddLogin(b.t.Context(), l); err != nil {
				b.t.Error(err)
				return
			}
			*pauses = append(*pauses, time.Since(now))
		}
	})
	wg.Go(func() { // ends with done
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			*peak = max(*peak, m.HeapAlloc)
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return peak, pauses, func() {
		close(done)
		wg.Wait()
	}
}

// names makes people up: few names are common, many are rare.
type names struct{ givens, families []string }

var bench = newNames()

func newNames() *names {
	begin := strings.Fields("an be chri da e fri ge han in jo ka le ma ni o pe re sa to ul ve wa ste mi bri")
	end := strings.Fields("na rt stian niel va da org nes ge hann thrin na rie cole laf ter nate ra mas rike ra lter phan chael gitte")
	n := &names{}
	for i := range 25 * 16 {
		n.givens = append(n.givens, title(begin[i%25]+end[(i+i/25)%25]))
	}
	middle := strings.Fields("mei schmi ber mül fi we scha koch ri kle wol neu schwar zim brau krü hof hart lan wer kraus lehm schul mai köh herr kö wal pe hu")
	tail := strings.Fields("er dt gmann ler scher ber fer mann chter in f mann z mer n ger mann mann ge ner e ann ze er ler mann nig ter ters ber")
	for i := range 30 * 30 * 6 {
		n.families = append(n.families, title(middle[i%30]+tail[(i/30)%30]+[]string{"", "mann", "hofer", "berg", "stein", "feld"}[i/900]))
	}
	return n
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// common picks small numbers often.
func common(i, n int) int {
	x := float64(uint32(i)*2654435761%1000003) / 1000003
	return int(x*x*x*float64(n)) % n
}

func (n *names) given(i int) string  { return n.givens[common(i, len(n.givens))] }
func (n *names) family(i int) string { return n.families[common(i*7+1, len(n.families))] }
func (n *names) login(i int) string {
	return strings.ReplaceAll(text.Bare(n.given(i)+"."+n.family(i)), "ü", "u") + strconv.Itoa(i)
}

// seed makes the database past the writer: one connection, no log, indexes last.
// TestSeed adds SEED_PEOPLE people to the database SEED_DATABASE, past whatever
// else is told of it; e2e has it filled before it looks at long lists.
func TestSeed(t *testing.T) {
	path, people, key := filepath.Join(t.TempDir(), "idp.db"), 50, make([]byte, 32)
	if s := os.Getenv("SEED_DATABASE"); s != "" {
		var err error
		if people, err = strconv.Atoi(os.Getenv("SEED_PEOPLE")); err != nil {
			t.Fatal(err)
		}
		path = s
		sealer, err := keyring.OpenSealer(filepath.Join(filepath.Dir(path), "seal.key"), false)
		if err != nil {
			t.Fatal(err)
		}
		key = sealer.Derive("store", 32)
	}
	seed(t, path, key, people, true)
	db, err := Open(t.Context(), Config{Key: key, Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h, err := db.Health(t.Context())
	if err != nil || h.Rows["users"] < int64(people) {
		t.Errorf("%+v, %v", h, err)
	}
}

// few: one device each, five for every tenth.
func seed(t testing.TB, path string, key []byte, people int, few bool) {
	t.Helper()
	now := time.Now()
	db, err := Open(t.Context(), Config{Key: key, Driver: "sqlite", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s := &seeding{t: t, keys: db.trust.keys.Load(), now: now, few: few, terms: map[*find.List]map[string][]uint32{userListing: {}, deviceListing: {}}}
	r, err := db.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []struct {
		table string
		to    *int64
	}{{"users", &s.people}, {"devices", &s.devices}} {
		if err := r.Row("SELECT coalesce(max(n), 0) FROM "+n.table, nil, n.to); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c, done, err := sqlite.Raw(path, "?_journal_mode=OFF&_synchronous=OFF&_cache_size=-400000&_foreign_keys=off")
	if err != nil {
		t.Fatal(err)
	}
	s.conn = c
	s.indexes("tbl_name LIKE 'device%' OR tbl_name LIKE 'user%'")
	s.do("BEGIN")
	for i := range people {
		s.person(i)
	}
	for l, terms := range s.terms {
		for _, term := range slices.Sorted(maps.Keys(terms)) {
			for _, n := range terms[term] {
				s.do("INSERT INTO "+l.Terms+" (term, n) VALUES (?, ?)", term, int64(n))
			}
		}
	}
	s.do("COMMIT")
	for _, sql := range s.later {
		s.do(sql)
	}
	s.do("ANALYZE")
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

type seeding struct {
	t       testing.TB
	conn    statements
	keys    *keys
	now     time.Time
	later   []string
	few     bool
	people  int64 // that were there before
	devices int64
	terms   map[*find.List]map[string][]uint32
}

func (s *seeding) do(sql string, args ...any) {
	if _, err := s.conn.Exec(sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// indexes drops those of some tables, which can be made at the end.
func (s *seeding) indexes(of string) {
	var names, sqls []string
	err := s.conn.Each("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND ("+of+")", nil, func() []any {
		names, sqls = append(names, ""), append(sqls, "")
		return []any{&names[len(names)-1], &sqls[len(sqls)-1]}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for i, name := range names {
		s.do("DROP INDEX " + name)
		s.later = append(s.later, sqls[i])
	}
}

var (
	phones = []struct{ name, platform string }{
		{"iPhone 13", "ios"}, {"iPhone 15 Pro", "ios"}, {"iPhone", "ios"}, {"iPad", "ios"}, {"Pixel 8", "android"}, {"Pixel 9 Pro", "android"},
		{"Samsung Galaxy S24", "android"}, {"Samsung Galaxy A54", "android"}, {"Fairphone 5", "android"}, {"Chrome", "web"}, {"Firefox", "web"},
		{"Authenticator", "other"}, {"Google Authenticator", "other"}, {"Microsoft Authenticator", "other"},
	}
	sealed = func() (b [400]byte) { _, _ = rand.Read(b[:]); return b }()
)

func (s *seeding) person(i int) {
	rnd := mrand.New(mrand.NewPCG(uint64(i), 7))
	name := bench.login(i)
	u := &userRow{
		ID: fmt.Sprintf("%026X", i), Name: name, DisplayName: bench.given(i) + " " + bench.family(i), Email: name + "@klinikum.example",
		Roles: "[]", Groups: `["radiology"]`, State: string(idp.UserActive), CreatedAt: micros(s.now.Add(-time.Duration(rnd.IntN(900*24)) * time.Hour)),
	}
	u.UpdatedAt = u.CreatedAt
	if i%100 == 0 {
		u.State = string(idp.UserDisabled)
	}
	devices := 1 + (i+i/5)%5
	if s.few {
		devices = 1
		if i%10 == 0 {
			devices = idp.MaxDevices
		}
	}
	ul, err := userListRowOf(u, devices)
	if err != nil {
		s.t.Fatal(err)
	}
	ul.N = s.people + int64(i+1)
	u.MAC = s.keys.rowMAC(u)
	s.do("INSERT INTO users ("+userColumns+", n) VALUES (?"+strings.Repeat(", ?", strings.Count(userColumns, ",")+1)+")", append(u.fields(), ul.N)...)
	s.do(insertUserList, ul.fields()...)
	s.take(userListing, &ul.Row)
	for k := range devices {
		s.device(u, rnd, devices, k)
	}
}

func (s *seeding) device(u *userRow, rnd *mrand.Rand, devices, k int) {
	s.devices++
	p := phones[rnd.IntN(len(phones))]
	if p.platform == "other" && rnd.IntN(3) > 0 {
		p = phones[rnd.IntN(9)]
	}
	linked := u.CreatedAt + int64(rnd.Float64()*float64(micros(s.now)-u.CreatedAt))
	used := micros(s.now) - rnd.Int64N(30)*dayMicros
	if rnd.IntN(5) == 0 {
		used = linked + int64(rnd.Float64()*float64(micros(s.now)-linked))
	}
	d := &deviceRow{
		UserID: u.ID, ID: fmt.Sprintf("D%025X", s.devices), Name: p.name, Kind: string(idp.DeviceApp), Platform: p.platform, State: string(idp.DeviceActive),
		SealedTOTP: sealed[:48], LinkedAt: linked, LastUsedAt: max(used, linked), PublicKey: sealed[:64], UVKey: []byte{}, App: "Hilum/1.0", SealedPush: sealed[:280], PushType: "webpush",
	}
	switch {
	case p.platform == "other":
		d.Kind, d.PublicKey, d.SealedPush, d.PushType, d.App = string(idp.DeviceCode), []byte{}, []byte{}, "", ""
	case rnd.IntN(200) == 0:
		d.PushBadAt, d.PushSaid = micros(s.now), "the address is no more"
	case rnd.IntN(50) == 0:
		d.PushType, d.SealedPush = "", []byte{}
	}
	if k > 0 && rnd.IntN(4) == 0 {
		d.Name = "Phone of " + strings.Fields(u.DisplayName)[0]
	}
	row := deviceListRowOf(u, d, devices, micros(s.now))
	row.N = s.devices
	d.MAC = s.keys.rowMAC(d)
	s.do("INSERT INTO devices ("+deviceColumns+", n) VALUES (?"+strings.Repeat(", ?", strings.Count(deviceColumns, ",")+1)+")", append(d.fields(), row.N)...)
	s.do(insertDeviceList, row.fields()...)
	s.take(deviceListing, &row.Row)
}

func (s *seeding) take(l *find.List, row *find.Row) {
	for _, term := range row.Terms() {
		s.terms[l][term] = append(s.terms[l][term], uint32(row.N))
	}
}
