package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hilum/e2e/crowd"
)

// built is the provider of a commit, with what fills its database.
type built struct{ name, idp, fill string }

// buildOf builds the provider of another commit in a folder of its own. What fills its database
// is of this commit, built beside it, so that people and grants are sealed as that provider
// expects.
func buildOf(t *testing.T, ref string) built {
	t.Helper()
	tree := treeOf(t, ref)
	b := built{ref, filepath.Join(tree, "idp.built"), filepath.Join(tree, "fill.built")}
	for file, of := range map[string]string{b.idp: "./cmd/idp", b.fill: "./e2e/bench/fill"} {
		build := exec.Command("go", "build", "-o", file, of)
		build.Dir = tree
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s of %s: %v\n%s", of, ref, err, out)
		}
	}
	return b
}

// treeOf is the folder of a commit, with the program of this one that fills a database.
func treeOf(t *testing.T, ref string) string {
	t.Helper()
	tree := t.TempDir()
	archive := exec.Command("git", "archive", ref)
	archive.Dir = "../.."
	files, err := archive.StdoutPipe()
	check(t, err)
	unpack := exec.Command("tar", "-x", "-C", tree)
	unpack.Stdin = files
	check(t, unpack.Start())
	if out, err := archive.StderrPipe(); err == nil {
		check(t, archive.Start())
		text, _ := io.ReadAll(out)
		check(t, unpack.Wait())
		if err := archive.Wait(); err != nil {
			t.Fatalf("PAIR=%s: %v: %s", ref, err, text)
		}
	}
	own := filepath.Join(tree, "e2e/bench/fill")
	check(t, os.MkdirAll(own, 0o755))
	text, err := os.ReadFile("fill/main.go")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(own, "main.go"), text, 0o644))
	return tree
}

// paired are the rows that are measured of two commits.
func paired() (rows []measured) {
	for _, m := range all {
		if p := (place{engine: onSQLite, grants: fewGrants}); m.at(p) && !onlyOnFile(m) || m.tokens == newToken {
			rows = append(rows, m)
		}
	}
	return rows
}

// onlyOnFile says that a row wants applications that an older provider may not know.
func onlyOnFile(m measured) bool { return !m.at(place{engine: onPostgres, grants: fewGrants}) }

// siteOfBuild makes and starts a site of a build, with people and grants.
func siteOfBuild(t *testing.T, b built, engine string, people, grants, keep int) *site {
	t.Helper()
	s := newSiteOf(t, b.idp, engine, crowd.Least)
	s.fills(t, b.fill, &s.people, "-n", strconv.Itoa(people))
	s.registerTwo(t)
	s.start(t)
	names := s.holders(t, min(people, max(1, grants/100)))
	s.stop(t)
	s.seed(t, b.fill, names, grants, keep)
	s.start(t)
	return s
}

// TestBenchPair prints what an operation costs the provider of the commit that PAIR names and
// this one, measured in turn, when BENCH is set. Else it takes this one twice and goes through
// all of it for a moment; of time it claims nothing then.
func TestBenchPair(t *testing.T) {
	ref, bench := os.Getenv("PAIR"), os.Getenv("BENCH")
	if (ref == "") != (bench == "") {
		return // TestBench measures
	}
	x, out := moment(t), io.Discard
	before, now := built{"itself", idpBinary, fillBinary}, built{"this one", idpBinary, fillBinary}
	if ref != "" {
		x, _ = extentOf(t)
		x.rounds, out = 7, os.Stdout
		before = buildOf(t, ref)
	}
	grants := x.grants[len(x.grants)-1]
	sites := make([]*site, 2)
	for i, b := range []built{before, now} {
		sites[i] = siteOfBuild(t, b, onSQLite, 2*signInRows()*x.signIns+2*len(all)+min(1000, grants/100), grants, x.keptTokens(grants))
		sites[i].prepared, sites[i].signIns = x.prepared, x.signIns
	}
	pairs := x.pairs(t, sites)
	for _, s := range sites {
		s.stop(t)
	}
	fmt.Fprintf(out, "\nBefore is %s, among %s grants on SQLite. Load average: %s.\n\n", ref, number(float64(grants)), loadAverage())
	fmt.Fprint(out, "| operation, the provider's CPU | before, µs | now, µs | ratio | ratios differ by | |\n|---|---|---|---|---|---|\n")
	for _, p := range pairs {
		fmt.Fprintln(out, p.line())
	}
}

// pair is a row of two commits: the CPU for one operation in µs of each round.
type pair struct {
	what        string
	before, now []float64
}

// ratios are those of the rounds.
func (p *pair) ratios() []float64 {
	all := make([]float64, len(p.now))
	for i := range all {
		all[i] = p.now[i] / p.before[i]
	}
	return all
}

// says is what the ratios of the rounds say: a change is one where nine tenths of them lie on
// one side, and their middle is beyond what no measurement is better than.
func (p *pair) says() string {
	all := p.ratios()
	less, more := 0, 0
	for _, r := range all {
		switch {
		case r < 1:
			less++
		case r > 1:
			more++
		}
	}
	m := median(all)
	switch {
	case m > 1+leastNoise && more*10 >= len(all)*9:
		return "DEARER"
	case m < 1-leastNoise && less*10 >= len(all)*9:
		return "cheaper"
	}
	return ""
}

func (p *pair) line() string {
	return fmt.Sprintf("| %s | %s | %s | %.2f | %.0f %% | %s |", p.what, number(round(median(p.before), 3)), number(round(median(p.now), 3)), median(p.ratios()), 100*spread(p.ratios()), p.says())
}

// pairs measures the rows at both sites in turn; each is first as often.
func (x extent) pairs(t *testing.T, sites []*site) (all []pair) {
	t.Helper()
	grants := x.grants[len(x.grants)-1]
	for _, m := range paired() {
		for _, workers := range m.atOnce {
			p := pair{what: strings.TrimSpace(m.what+" "+m.tokens) + ", " + atOnce(workers)}
			for i := range x.rounds {
				var took [2]float64
				for k := range sites {
					s := sites[(k+i)%2]
					n, op := m.prepare(x.part(grants))(t, s, workers)
					cpu := load(t, s.host, s.pid, workers, x.span, min(n, x.most), op).cpu
					took[(k+i)%2] = cpu.Seconds() * 1e6
				}
				p.before, p.now = append(p.before, took[0]), append(p.now, took[1])
			}
			all = append(all, p)
		}
	}
	for _, s := range sites {
		check(t, os.Truncate(s.log, 0))
	}
	return all
}

// A row that became dearer in every round is said, and one that did in some is not.
func TestPairSays(t *testing.T) {
	ten := []float64{10, 12, 10, 11, 10, 14, 10}
	times := func(by ...float64) (all []float64) {
		for i, v := range ten {
			all = append(all, v*by[i%len(by)])
		}
		return all
	}
	for want, now := range map[string][]float64{"DEARER": times(1.2, 1.1, 1.15), "cheaper": times(0.8, 0.9, 0.7), "": times(1.3, 0.8)} {
		p := pair{what: "it", before: ten, now: now}
		if got := p.says(); got != want {
			t.Errorf("%v beside %v: %q, want %q", now, ten, got, want)
		}
	}
	p := pair{before: ten, now: times(1.02, 1.01)}
	if got := p.says(); got != "" {
		t.Errorf("a hundredth more is %q", got)
	}
}

// A commit is laid out with all that its provider is built of.
func TestTreeOf(t *testing.T) {
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		t.Skip("this is no repository, so there is no other commit: ", err)
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/idp", "./e2e/bench/fill")
	list.Dir = treeOf(t, "HEAD")
	out, err := list.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("hilum/cmd/idp\n")) || !bytes.Contains(out, []byte("hilum/e2e/bench/fill\n")) {
		t.Errorf("%v: %s", err, out)
	}
}
