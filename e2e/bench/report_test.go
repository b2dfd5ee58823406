package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp/store/pgtest"
)

// conditions say where and when it was measured.
type conditions struct {
	Date       string  `json:"date"`
	Span       float64 `json:"seconds"` // for each figure of a round
	Rounds     int     `json:"rounds"`
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	Kernel     string  `json:"kernel"`
	Go         string  `json:"go"`
	SQLite     string  `json:"sqlite"`
	PostgreSQL string  `json:"postgresql"`
	Load       string  `json:"load_average"` // of the machine, before
}

// report is what was measured once, beside where and when.
type report struct {
	conditions
	Rows []line `json:"rows"`
}

// line is one figure of a report, the median of its rounds.
type line struct {
	What   string  `json:"what"`
	On     string  `json:"on"`
	How    string  `json:"how"` // so many at once, or so much of the rate of the closed loop
	Open   bool    `json:"open,omitempty"`
	Rate   float64 `json:"per_second"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	CPU    float64 `json:"cpu_us"` // of all instances, for one operation
	Limit  float64 `json:"limit_per_second"`
	Of     string  `json:"limit"`
	Spread float64 `json:"spread"` // of the rounds: (most − least) ÷ median, of the rate ÷ the limit
}

// share is the rate beside the limit of its run.
func (l *line) share() float64 { return l.Rate / l.Limit }

func (l *line) key() string { return l.What + ", " + l.On + ", " + l.How }

// Where it is measured.
var places = []struct {
	name, engine string
	instances    int
}{
	{"SQLite", sqlite, 1},
	{"PostgreSQL", postgresql, 1},
	{"PostgreSQL, three", postgresql, 3},
}

const signIn = "whole sign-in, hash at no cost"

// What is measured, and beside which limit.
var reported = []struct {
	what, limit string
	prepare     func(testing.TB, *fleet, *queue, int) func(*conn, int) error
}{
	{"refresh, ES256", "ES256 signature", func(t testing.TB, f *fleet, _ *queue, workers int) func(*conn, int) error {
		_, op := refreshes("ES256")(t, f.site, workers)
		return func(c *conn, w int) error { return op(c, w, 0) }
	}},
	{"userinfo", netHTTP, func(t testing.TB, f *fleet, _ *queue, workers int) func(*conn, int) error {
		_, op := asksUserinfo(remembered, 0)(t, f.site, workers)
		return func(c *conn, w int) error { return op(c, w, 0) }
	}},
	{"introspection", netHTTP, func(t testing.TB, f *fleet, _ *queue, workers int) func(*conn, int) error {
		_, op := asksIntrospection(remembered, 0)(t, f.site, workers)
		return func(c *conn, w int) error { return op(c, w, 0) }
	}},
	{signIn, "ES256 signature", func(_ testing.TB, f *fleet, people *queue, _ int) func(*conn, int) error {
		return func(c *conn, _ int) error {
			p, ok := people.next(signsInEvery)
			if !ok {
				return errNobody
			}
			code, err := browser{}.signIn(c, f.clients["ES256"], p, 0)
			if err == nil {
				_, err = f.clients["ES256"].exchange(c, code)
			}
			return err
		}
	}},
}

var (
	closedLoops = []int{16, 64}
	openLoops   = []int{25, 50, 75, 90} // % of what 16 at once reached in the same round
)

// drive has so many workers, each on a connection of its own, do one after another: as they can
// (rate is 0), or what is due by the clock, and then the time runs from when it was due. It ends
// with the span, after so many, or when nobody is left to sign in.
func (f *fleet) drive(t testing.TB, workers int, rate float64, span time.Duration, most int, op func(*conn, int) error) sample {
	t.Helper()
	took, errs := make([][]time.Duration, workers), make([]error, workers)
	conns := make([]*conn, workers)
	for w := range conns {
		var err error
		conns[w], err = dial(f.host)
		check(t, err)
		defer conns[w].c.Close()
	}
	most = min(most, max(1, int(rate*span.Seconds())+endless*btoi(rate == 0)))
	var mu sync.Mutex
	n, over := 0, false
	before, begin := f.cpu(t), time.Now()
	// next is when something is due, and whether anything is.
	next := func() (due time.Time, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		due = time.Now()
		if rate > 0 {
			due = begin.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		}
		if over || n >= most || rate == 0 && due.Sub(begin) > span {
			return due, false
		}
		n++
		return due, true
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { // ends with what is due
			for {
				due, ok := next()
				if !ok {
					return
				}
				time.Sleep(time.Until(due))
				if err := op(conns[w], w); err != nil {
					if !errors.Is(err, errNobody) {
						errs[w] = err
					}
					mu.Lock()
					over = true
					mu.Unlock()
					return
				}
				took[w] = append(took[w], time.Since(due))
			}
		})
	}
	wg.Wait()
	lasted, used := time.Since(begin), f.cpu(t)-before
	check(t, errors.Join(errs...))
	all := slices.Concat(took...)
	if len(all) == 0 {
		t.Fatal("nothing was done")
	}
	return sample{perSecond: float64(len(all)) / lasted.Seconds(), p50: percentile(all, 50), p99: percentile(all, 99), cpu: used / time.Duration(len(all))}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestReport measures SQLite, one instance on PostgreSQL and three of them, for as many seconds
// a figure as REPORT says, and writes docs/performance. Without REPORT it goes through all of it
// for a moment, and looks only whether the report has what was measured.
func TestReport(t *testing.T) {
	rounds, span, people, most := 1, 50*time.Millisecond, 40, 6
	folder := t.TempDir()
	if s := os.Getenv("REPORT"); s != "" {
		var err error
		if span, err = time.ParseDuration(s + "s"); err != nil || span <= 0 {
			t.Fatalf("REPORT=%q is not a number of seconds", s)
		}
		rounds, people, most, folder = 3, 1300, endless, "../../docs/performance"
	}
	r := &report{conditions: about(t, span, rounds)}
	fleets, crowds := make([]*fleet, len(places)), make([]*queue, len(places))
	for i, at := range places {
		fleets[i] = newFleet(t, at.engine, at.instances, people)
		fleets[i].run(t)
		crowds[i] = queueOf(fleets[i].people[len(reported)*(rounds+1)*3:])
	}
	r.PostgreSQL = fleets[1].text(t, "SELECT split_part(current_setting('server_version'), ' ', 1)")

	atMost := map[string][]float64{}
	samples := map[string][]sample{}
	for range rounds {
		limit := map[string]float64{}
		for _, w := range reported {
			if limit[w.limit] == 0 {
				limit[w.limit] = measureLimit(t, w.limit, span).perSecond
				atMost[w.limit] = append(atMost[w.limit], limit[w.limit])
			}
		}
		for _, w := range reported {
			for i, at := range places {
				n := most
				if w.what == signIn { // all who there are, shared among the figures
					n = min(most, len(crowds[i].all)/(len(closedLoops)+len(openLoops)))
				}
				op := w.prepare(t, fleets[i], crowds[i], slices.Max(closedLoops))
				note := func(how string, s sample) {
					key := (&line{What: w.what, On: at.name, How: how}).key()
					samples[key] = append(samples[key], s)
				}
				reached := 0.0
				for _, workers := range closedLoops {
					if w.what == signIn {
						crowds[i].wait(n)
					}
					s := fleets[i].drive(t, workers, 0, span, n, op)
					note(atOnce(workers), s)
					if workers == closedLoops[0] {
						reached = s.perSecond
					}
				}
				for _, part := range openLoops {
					if w.what == signIn {
						crowds[i].wait(n)
					}
					note(ofRate(part), fleets[i].drive(t, slices.Max(closedLoops), reached*float64(part)/100, span, n, op))
				}
			}
		}
	}
	for _, f := range fleets {
		f.end(t)
	}
	for _, w := range reported {
		for _, at := range places {
			for i := range len(closedLoops) + len(openLoops) {
				l := line{What: w.what, On: at.name, Of: w.limit, Limit: round(median(atMost[w.limit]), 3)}
				if i < len(closedLoops) {
					l.How = atOnce(closedLoops[i])
				} else {
					l.How, l.Open = ofRate(openLoops[i-len(closedLoops)]), true
				}
				all := samples[l.key()]
				m := medianOf(all)
				l.Rate, l.P50, l.P99, l.CPU = round(m.perSecond, 3), round(ms(m.p50), 3), round(ms(m.p99), 3), round(float64(m.cpu.Microseconds()), 3)
				var shares []float64
				for k, s := range all {
					shares = append(shares, s.perSecond/atMost[w.limit][k])
				}
				l.Spread = round((slices.Max(shares)-slices.Min(shares))/median(shares), 2)
				r.Rows = append(r.Rows, l)
			}
		}
	}

	last, err := lastReport(filepath.Join(folder, "report.json"))
	check(t, err)
	against := compare(last, r)
	check(t, os.MkdirAll(folder, 0o755))
	for name, text := range map[string][]byte{"report.svg": r.svg(), "report.md": r.markdown(against), "report.json": must(json.MarshalIndent(r, "", "  "))} {
		check(t, os.WriteFile(filepath.Join(folder, name), append(bytes.TrimRight(text, "\n"), '\n'), 0o644))
	}
	for _, a := range against {
		t.Log(a)
	}
	r.shown(t)
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

func atOnce(n int) string    { return fmt.Sprintf("%d at once", n) }
func ofRate(part int) string { return fmt.Sprintf("%d %% of that", part) }

// wait waits until so many people may sign in again.
func (q *queue) wait(n int) {
	q.mu.Lock()
	last := q.last[(q.n+n-1)%len(q.all)]
	q.mu.Unlock()
	time.Sleep(time.Until(last.Add(signsInEvery)))
}

// round keeps so many digits of a number.
func round(v float64, digits int) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-float64(digits)+1)
	n, err := strconv.ParseFloat(strconv.FormatFloat(math.Round(v/unit)*unit, 'g', 12, 64), 64)
	if err != nil {
		return v
	}
	return n
}

// text reads a value from the database of a fleet.
func (f *fleet) text(t testing.TB, query string) string {
	t.Helper()
	rows, err := pgtest.Rows(t.Context(), f.database, query)
	check(t, err)
	return rows[0][0]
}

// about says where and when it is measured.
func about(t testing.TB, span time.Duration, rounds int) conditions {
	t.Helper()
	r := conditions{Date: time.Now().UTC().Format("2006-01-02"), Span: span.Seconds(), Rounds: rounds, Cores: runtime.NumCPU(), Go: runtime.Version(), Load: loadAverage(), CPU: "unknown"}
	text, err := os.ReadFile("/proc/cpuinfo")
	check(t, err)
	if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(text); m != nil {
		r.CPU = string(m[1])
	}
	text, err = os.ReadFile("/proc/sys/kernel/osrelease")
	check(t, err)
	r.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(text)), "-") // what follows is the name of its builder
	text = must(exec.Command(idpBinary, "version").Output())
	m := regexp.MustCompile(`(?m)^SQLite\s+(\S+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no version of SQLite in %s", text)
	}
	r.SQLite = string(m[1])
	return r
}

// lastReport is the report that is kept; nil: there is none.
func lastReport(path string) (*report, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r := &report{}
	return r, errors.Join(err, json.Unmarshal(text, r))
}

// least is by how much a share of the limit has to fall to be a loss, however close the rounds
// were to one another.
const least = 0.10

// compare says which rows have lost more than noise, against the report before: of the limit of
// its run each, because machines and their other load differ.
func compare(before, now *report) (says []string) {
	if before == nil {
		return []string{"There is no report before this one."}
	}
	was := map[string]line{}
	for _, l := range before.Rows {
		was[l.key()] = l
	}
	for _, l := range now.Rows {
		w, ok := was[l.key()]
		if !ok || l.Open { // its rate is the one that was asked for
			continue
		}
		noise := max(least, w.Spread, l.Spread)
		if l.share() < w.share()*(1-noise) {
			says = append(says, fmt.Sprintf("%s: %.0f %% of the limit, %.0f %% in the report of %s; the rounds differ by %.0f %%", l.key(), 100*l.share(), 100*w.share(), before.Date, 100*noise))
		}
	}
	if len(says) == 0 {
		says = []string{"No row lost more than noise against the report of " + before.Date + "."}
	}
	return says
}

// number prints a figure for people.
func number(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// where is what was measured with, and when how much else went on there.
func (r *conditions) where() (machine, run string) {
	machine = fmt.Sprintf("%s, %d cores, kernel %s, %s, SQLite %s, PostgreSQL %s", r.CPU, r.Cores, r.Kernel, r.Go, r.SQLite, r.PostgreSQL)
	run = fmt.Sprintf("Medians of %d rounds of %s s. Load average before: %s", r.Rounds, number(r.Span), r.Load)
	if load, err := strconv.ParseFloat(r.Load, 64); err != nil || load > float64(r.Cores) {
		run += ": the machine had more to do than it has cores, and the figures are worth little"
	}
	return machine, run
}

// markdown is the report as a table.
func (r *report) markdown(against []string) []byte {
	var b bytes.Buffer
	machine, run := r.where()
	fmt.Fprintf(&b, "# Figures of %s\n\nWritten by `make report`, with [the same as a picture](report.svg). %s. %s.\n\n", r.Date, machine, run)
	fmt.Fprint(&b, "All instances of a row share the first core; the load, the balancer and PostgreSQL have the second, so three instances show what sharing costs, and not how much more they do on machines of their own. "+
		"«n at once» is a closed loop: each of n connections asks when it was answered. «% of that» is an open loop: requests come by the clock at that part of the rate that 16 at once have reached, and their time runs from when they were due. "+
		"Beside each row stands the raw limit of one core, measured in the same run.\n\n")
	for _, a := range against {
		fmt.Fprintf(&b, "- %s\n", a)
	}
	fmt.Fprint(&b, "\n| what | on | how | per second | p50, ms | p99, ms | providers' CPU, µs | of the limit | limit, per second | rounds differ by |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %.0f %% | %s, %s | %.0f %% |\n", l.What, l.On, l.How, number(l.Rate), number(l.P50), number(l.P99), number(l.CPU), 100*l.share(), l.Of, number(l.Limit), 100*l.Spread)
	}
	return b.Bytes()
}

// shown looks whether every figure is in what was written, and whether it is well-formed.
func (r *report) shown(t testing.TB) {
	t.Helper()
	picture, table := r.svg(), r.markdown(nil)
	var said strings.Builder
	elements := map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					t.Errorf("the picture has %s=%q", a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			said.Write(token)
			said.WriteByte('\n')
		}
	}
	if elements["title"] != 1 || elements["desc"] != 1 || elements["script"] != 0 || elements["image"] != 0 {
		t.Errorf("the picture has %v", elements)
	}
	for _, l := range r.Rows {
		for _, figure := range []string{number(l.Rate), number(l.P50), number(l.P99), number(l.CPU), number(l.Limit), fmt.Sprintf("%.0f %%", 100*l.share())} {
			if !strings.Contains(said.String(), figure) || !bytes.Contains(table, []byte(figure)) {
				t.Errorf("%s: %s is not in both", l.key(), figure)
			}
		}
	}
	if host, err := os.Hostname(); err == nil && host != "localhost" && (strings.Contains(said.String(), host) || bytes.Contains(table, []byte(host))) {
		t.Error("the name of the machine is in it")
	}
}

// A report is drawn with all that was measured, and a loss is told from noise.
func TestReportIsDrawn(t *testing.T) {
	made := func(lost float64) *report {
		r := &report{conditions: conditions{Date: "2026-11-30", Span: 1, Rounds: 3, CPU: `A <fast> & "new" one`, Cores: 2, Kernel: "6.1", Go: "go1.26", SQLite: "3.54.1", PostgreSQL: "15.18", Load: "0.10"}}
		for i, w := range reported {
			for j, at := range places {
				for k, how := range []string{atOnce(16), atOnce(64), ofRate(25), ofRate(90)} {
					l := line{What: w.what, On: at.name, How: how, Open: k > 1, Rate: float64(1000*(i+1) + 100*j + k), P50: 1.25 + float64(j), P99: 12.5 + float64(k), CPU: 140 + float64(j), Limit: 20000, Of: w.limit, Spread: 0.15}
					if i == 1 && j == 1 && k == 0 {
						l.Rate = round(l.Rate*(1-lost), 4)
					}
					r.Rows = append(r.Rows, l)
				}
			}
		}
		return r
	}
	made(0).shown(t)
	for lost, want := range map[float64]string{
		0: "No row lost more than noise", 0.1: "No row lost more than noise", 0.3: reported[1].what + ", " + places[1].name + ", 16 at once: ",
	} {
		if says := compare(made(0), made(lost)); len(says) != 1 || !strings.HasPrefix(says[0], want) {
			t.Errorf("a loss of %.0f %%: %q", 100*lost, says)
		}
	}
	if says := compare(nil, made(0)); len(says) != 1 || !strings.Contains(says[0], "no report") {
		t.Errorf("the first report: %q", says)
	}
	for v, want := range map[float64]string{0.0123: "0.0123", 12.5: "12.5", 1234: "1,234", 1234567: "1,234,567", 999.6: "1,000"} {
		if got := number(v); got != want {
			t.Errorf("%v is printed as %s, want %s", v, got, want)
		}
	}
}
