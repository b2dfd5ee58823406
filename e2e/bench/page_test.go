package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// markdown is the record as a table, with what is said against the one before.
func (r *record) markdown(says []string) []byte {
	var b bytes.Buffer
	machine, run := r.where()
	fmt.Fprintf(&b, "# Figures of %s\n\nWritten by `make bench`, with [the same as a picture](bench.svg). %s. %s.\n\n", r.Date, machine, run)
	fmt.Fprint(&b, "One provider as it is shipped, its log at `info` in a file, on the first core; the load, and PostgreSQL, on the second. Each row is a closed loop: each of so many connections asks when it was answered. "+
		"«Among» is how many grants were in the database at first. A remembered token is one of "+fmt.Sprint(fewGrants)+", or the one that the same connection was given last; a new one is another each time, which the process has not seen. "+
		"Beside each row stands what one core does at most of what it cannot do without, measured in the same round.\n\n")
	for _, s := range says {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	fmt.Fprint(&b, "\n| one core at most, alone | per second | CPU, µs | of which rounds differ by |\n|---|---|---|---|\n")
	for _, l := range r.Limits {
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f %% |\n", l.Name, number(round(l.Rate, 3)), number(round(l.CPU, 3)), 100*spread(l.Rounds))
	}
	fmt.Fprint(&b, "\n| what | token | on | among | at once | per second | p50, ms | p99, ms | server's CPU, µs | of the limit | limit | rounds differ by, rate and CPU |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range r.Loads {
		what := f.What
		if f.Note != "" {
			what += " (" + f.Note + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s | %s | %s | %s | %.0f %% | %s | %.0f, %.0f %% |\n", what, f.Tokens, f.On, number(float64(f.Among)), f.AtOnce,
			number(round(f.Rate, 3)), number(f.P50), number(f.P99), number(round(f.CPU, 3)), 100*median(f.Shares), r.beside(&f), 100*spread(f.Shares), 100*spread(f.Costs))
	}
	fmt.Fprint(&b, "\nMemory is what no file backs (RssAnon).\n\n| besides | on | | rounds differ by | target |\n|---|---|---|---|---|\n")
	for _, s := range r.Sizes {
		fmt.Fprintf(&b, "| %s | %s | %s %s | %.0f %% | %s |\n", s.What, s.On, number(s.Value), s.Unit, 100*spread(s.Rounds), s.Target)
	}
	return b.Bytes()
}

// elsewhere is who else makes the signature of a limit.
var elsewhere = map[string]string{rs256: opensslRSA, es256: opensslEC}

// beside names the limit of a row, and the same signature as the machine's openssl makes it.
func (r *record) beside(f *figure) string {
	said := fmt.Sprintf("%s, %s", f.Of, number(round(f.Most, 3)))
	for _, l := range r.Limits {
		if l.Name == elsewhere[f.Of] {
			said += fmt.Sprintf("; %.0f %% of %s, %s", 100*f.Rate/l.Rate, l.Name, number(round(l.Rate, 3)))
		}
	}
	return said
}

// svg draws each thing that was measured: its rates, as long as they are of the limit or of the
// greatest, and beside them in words what a round cost.
func (r *record) svg() []byte {
	p := newPicture("Hilum, operation by operation, "+r.Date, &r.conditions, "Amber: per second, as a part of the greatest of its kind. Blue: the server's CPU for one operation, likewise.")
	var whats []string
	for _, f := range r.Loads {
		if !slices.Contains(whats, f.What) {
			whats = append(whats, f.What)
		}
	}
	for _, what := range whats {
		rows := slices.DeleteFunc(slices.Clone(r.Loads), func(f figure) bool { return f.What != what })
		rate, cpu := 0.0, 0.0
		for _, f := range rows {
			rate, cpu = max(rate, f.Rate), max(cpu, f.CPU)
		}
		p.part(what, round(rows[0].Most, 3), rows[0].Of)
		for _, f := range rows {
			said := fmt.Sprintf("%s /s, %.0f %% of it; CPU %s µs; p50 %s, p99 %s ms", number(round(f.Rate, 3)), 100*median(f.Shares), number(round(f.CPU, 3)), number(f.P50), number(f.P99))
			p.row(f.On+", "+number(float64(f.Among)), strings.TrimSpace(f.Tokens+" "+fmt.Sprint(f.AtOnce)), said, func(x, y int) {
				p.bar("rate", x, y, 6, f.Rate/rate)
				p.bar("late", x, y+7, 6, f.CPU/cpu)
			})
		}
	}
	return p.svg(fmt.Sprintf("Requests a second and the server's processor for one, of %d loads on SQLite and PostgreSQL; bench.md has the same as a table.", len(r.Loads)))
}

// A record is drawn with all that was measured, as XML, and its table has each row.
func TestRecordIsDrawn(t *testing.T) {
	r := &record{conditions: conditions{Date: "2026-12-01", Span: 1, Rounds: 3, CPU: `A <fast> & "new" one`, Cores: 2, Load: "0.10"}, Limits: []limit{{Name: es256, Rate: 30000, CPU: 33, Rounds: []float64{33, 34}}, {Name: opensslEC, Rate: 40000, CPU: 25, Rounds: []float64{25}}}}
	for _, tokens := range []string{remembered, newToken} {
		for i, workers := range busy {
			r.Loads = append(r.Loads, figure{What: "refresh, ES256", On: "SQLite", Tokens: tokens, Among: 100_000, AtOnce: workers, Rate: 6000 + float64(i), P50: 2.5, P99: 9.75, CPU: 142.5,
				Of: es256, Most: 30000, Shares: []float64{0.2, 0.21}, Costs: []float64{4, 4.1}})
		}
	}
	r.Sizes = []size{{What: "memory at rest", On: "SQLite", Unit: "MB", Value: 20.25, Rounds: []float64{20.25}, Target: "≤ 16"}}
	table, picture := r.markdown([]string{"LOST: it"}), r.svg()
	for _, want := range []string{"- LOST: it", "| refresh, ES256 | new | SQLite | 100,000 | 64 | 6,000 |", "20.25 MB", "30,000; 15 % of " + opensslEC + ", 40,000"} {
		if !bytes.Contains(table, []byte(want)) {
			t.Errorf("the table has no %q:\n%s", want, table)
		}
	}
	d, texts := xml.NewDecoder(bytes.NewReader(picture)), 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			texts++
		}
	}
	if texts != 2*len(r.Loads) {
		t.Errorf("%d bars for %d rows", texts, len(r.Loads))
	}
}
