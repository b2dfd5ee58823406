package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// record is what `make bench` has measured once, beside where and when: bench.json.
type record struct {
	conditions
	Limits []limit  `json:"limits"`
	Loads  []figure `json:"loads"`
	Sizes  []size   `json:"sizes"`
}

// limit is what one core does at most, alone.
type limit struct {
	Name   string    `json:"name"`
	Rate   float64   `json:"per_second"`
	CPU    float64   `json:"cpu_us"` // of one operation
	Rounds []float64 `json:"rounds"` // of that
}

// figure is one kind of request under load: the medians of its rounds, and those of them that
// are compared.
type figure struct {
	What   string `json:"what"`
	On     string `json:"on"`
	Tokens string `json:"tokens,omitempty"` // remembered, or new; empty: it is asked with none that was there before
	Among  int    `json:"among"`            // grants that were in the database before
	AtOnce int    `json:"at_once"`
	Note   string `json:"note,omitempty"`

	Rate float64 `json:"per_second"`
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	CPU  float64 `json:"cpu_us"` // of the server, for one operation
	Of   string  `json:"limit"`
	Most float64 `json:"limit_per_second"`

	// Of each round: the rate as a part of the limit's, and the server's CPU for one operation
	// in the CPU of one of the limit's. Both are beside the limit of the same round; the second
	// says the same where others use the machine's processors meanwhile.
	Shares []float64 `json:"shares"`
	Costs  []float64 `json:"costs"`
}

func (f *figure) key() string {
	with := ""
	if f.Tokens != "" {
		with = fmt.Sprintf(", %s token", f.Tokens)
	}
	return fmt.Sprintf("%s%s, among %s grants, %s, %s", f.What, with, number(float64(f.Among)), f.On, atOnce(f.AtOnce))
}

// size is a figure that is better when it is smaller: memory, counts, times.
type size struct {
	What   string    `json:"what"`
	On     string    `json:"on"`
	Unit   string    `json:"unit"`
	Value  float64   `json:"value"`
	Rounds []float64 `json:"rounds,omitempty"`
	Target string    `json:"target,omitempty"`
}

func (s *size) key() string { return s.What + ", " + s.On }

// What the comparison says of a row, the loudest first.
type verdict struct {
	Lost    []string // worse by more than noise
	Gained  []string // better by more than noise
	Missing []string // in the record before, and not in this one
	Added   []string // in this one, and not in the record before
	Unsure  []string // rounds differ too much to say anything
	Differs []string // of the machine, which makes all of it worth less
}

const (
	// leastNoise is what no measurement is better than, however close its rounds are by chance.
	leastNoise = 0.05
	// mostNoise is where nothing can be said of a row.
	mostNoise = 0.5
)

// spread is by how much rounds differ, as a part of their median.
func spread(rounds []float64) float64 {
	if len(rounds) == 0 {
		return 0
	}
	if m := median(rounds); m > 0 {
		return (slices.Max(rounds) - slices.Min(rounds)) / m
	}
	return 0
}

// moved is by how much the median has grown, as a part of what it was, and what of that the
// rounds of both say is noise.
func moved(before, now []float64) (by, noise float64) {
	return median(now)/median(before) - 1, max(leastNoise, spread(before), spread(now))
}

// weigh compares with the record before; nil: there is none.
func (r *record) weigh(before *record) (v verdict) {
	if before == nil {
		return v
	}
	v.Differs = differs(&before.conditions, &r.conditions)
	was := map[string]*figure{}
	for i := range before.Loads {
		was[before.Loads[i].key()] = &before.Loads[i]
	}
	for i := range r.Loads {
		f := &r.Loads[i]
		w := was[f.key()]
		delete(was, f.key())
		if w == nil {
			v.Added = append(v.Added, f.key())
			continue
		}
		v.judge(f.key(), "share of the limit", w.Shares, f.Shares, false)
		v.judge(f.key(), "CPU beside the limit's", w.Costs, f.Costs, true)
	}
	sizes := map[string]*size{}
	for i := range before.Sizes {
		sizes[before.Sizes[i].key()] = &before.Sizes[i]
	}
	for i := range r.Sizes {
		s := &r.Sizes[i]
		w := sizes[s.key()]
		delete(sizes, s.key())
		if w == nil {
			v.Added = append(v.Added, s.key())
			continue
		}
		v.judge(s.key(), s.Unit, w.Rounds, s.Rounds, true)
	}
	for key := range was {
		v.Missing = append(v.Missing, key)
	}
	for key := range sizes {
		v.Missing = append(v.Missing, key)
	}
	slices.Sort(v.Missing)
	return v
}

// judge says of one quantity of a row whether it is worse or better by more than noise; less
// says that less is better.
func (v *verdict) judge(row, what string, before, now []float64, less bool) {
	if len(before) == 0 || len(now) == 0 || median(before) <= 0 {
		return
	}
	by, noise := moved(before, now)
	if noise > mostNoise {
		v.Unsure = append(v.Unsure, fmt.Sprintf("%s: %s: the rounds differ by %.0f %%", row, what, 100*noise))
		return
	}
	said := fmt.Sprintf("%s: %s %+.0f %% (%s, before %s; noise %.0f %%)", row, what, 100*by, number(round(median(now), 3)), number(round(median(before), 3)), 100*noise)
	if less {
		by = -by
	}
	switch {
	case by < -noise:
		v.Lost = append(v.Lost, said)
	case by > noise:
		v.Gained = append(v.Gained, said)
	}
}

// differs says what of two runs makes them hard to compare.
func differs(before, now *conditions) (says []string) {
	for _, d := range []struct{ what, before, now string }{
		{"processor", before.CPU, now.CPU},
		{"cores", fmt.Sprint(before.Cores), fmt.Sprint(now.Cores)},
		{"kernel", before.Kernel, now.Kernel},
		{"seconds of a figure", number(before.Span), number(now.Span)},
	} {
		if d.before != d.now {
			says = append(says, fmt.Sprintf("%s: %s, before %s", d.what, d.now, d.before))
		}
	}
	return says
}

// lines says it for people, the loudest first. date is that of the record before; empty: there
// is none.
func (v *verdict) lines(date string) (says []string) {
	if date == "" {
		return []string{"There is no record before this one."}
	}
	for _, part := range []struct {
		head string
		of   []string
	}{
		{"LOST", v.Lost}, {"gone", v.Missing}, {"new", v.Added}, {"gained", v.Gained}, {"cannot be judged", v.Unsure}, {"measured otherwise", v.Differs},
	} {
		for _, one := range part.of {
			says = append(says, part.head+": "+one)
		}
	}
	if len(v.Lost) == 0 {
		says = append([]string{"No row lost more than noise against the record of " + date + "."}, says...)
	} else {
		says = append([]string{fmt.Sprintf("%d LOST more than noise against the record of %s.", len(v.Lost), date)}, says...)
	}
	return says
}

// lastRecord is the record that is kept; nil: there is none.
func lastRecord(path string) (*record, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r := &record{}
	return r, errors.Join(err, json.Unmarshal(text, r))
}

// A row that lost is said, noise is not, and rows that come and go are named.
func TestWeigh(t *testing.T) {
	load := func(what string, shares, costs []float64) figure {
		return figure{What: what, On: "SQLite", Tokens: newToken, Among: 100_000, AtOnce: 16, Shares: shares, Costs: costs}
	}
	steady, dear := []float64{0.50, 0.51, 0.52}, []float64{9, 9.1, 9.2}
	before := &record{conditions: conditions{CPU: "a", Cores: 2}, Loads: []figure{
		load("as it was", steady, dear), load("slower", steady, dear), load("dearer", steady, dear), load("quicker", steady, dear),
		load("by noise", []float64{0.4, 0.5, 0.6}, dear), load("restless", []float64{0.1, 0.5, 0.6}, dear), load("gone", steady, dear),
	}, Sizes: []size{{What: "memory", On: "SQLite", Unit: "MB", Rounds: []float64{20, 20.5}}, {What: "statements", On: "SQLite", Unit: "statements", Rounds: []float64{39}}}}
	now := &record{conditions: conditions{CPU: "a", Cores: 4}, Loads: []figure{
		load("as it was", []float64{0.49, 0.50, 0.51}, []float64{9.1, 9.2, 9.3}), load("slower", []float64{0.39, 0.40, 0.41}, dear),
		load("dearer", steady, []float64{11, 11.1, 11.2}), load("quicker", []float64{0.8, 0.81, 0.82}, dear), load("by noise", []float64{0.40, 0.41, 0.42}, dear),
		load("restless", steady, dear), load("came", steady, dear),
	}, Sizes: []size{{What: "memory", On: "SQLite", Unit: "MB", Rounds: []float64{26, 26.5}}, {What: "statements", On: "SQLite", Unit: "statements", Rounds: []float64{39}}}}
	v := now.weigh(before)
	for _, c := range []struct {
		of   string
		says []string
		want []string
	}{
		{"lost", v.Lost, []string{"slower", "dearer", "memory"}}, {"gained", v.Gained, []string{"quicker"}}, {"gone", v.Missing, []string{"gone"}},
		{"new", v.Added, []string{"came"}}, {"unsure", v.Unsure, []string{"restless"}}, {"otherwise", v.Differs, []string{"cores"}},
	} {
		var names []string
		for _, s := range c.says {
			name, _, _ := strings.Cut(strings.ReplaceAll(s, ":", ","), ",")
			names = append(names, name)
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%s: it says %q, want %q", c.of, names, c.want)
		}
	}
	said := v.lines("2026-12-01")
	if !strings.HasPrefix(said[0], "3 LOST") || !strings.HasPrefix(said[1], "LOST: slower") {
		t.Errorf("what was lost is not said first: %q", said)
	}
	if same := before.weigh(before); len(same.Lost)+len(same.Gained)+len(same.Added)+len(same.Missing) != 0 {
		t.Errorf("against itself it says %+v", same)
	}
	if got := now.weigh(nil); got.lines("")[0] != "There is no record before this one." {
		t.Error("the first one is compared")
	}
}
