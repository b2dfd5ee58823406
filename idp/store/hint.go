package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// Several instances on one database tell one another by hints what they have changed: after the
// commit, never in the transaction, where whoever tells something holds up all that commit. A
// hint may be lost. What has to be seen is in a table, and is looked for from time to time
// (Watch, and whoever waits on a topic); a hint has it looked for now.

// Topics of instances among themselves.
const (
	hintAll   idp.Topic = "*" // anything: whoever hears it looks at everything
	hintWatch idp.Topic = "?" // there is something to see for Watch
	hintRoll  idp.Topic = "#" // an instance has come, or goes
)

// What a process does about hints that it cannot tell.
const (
	retellFirst  = 100 * time.Millisecond
	retellAtMost = 500 * time.Millisecond // so late is a change told, at most, that is made when the database is back
	lastHints    = 2 * time.Second        // for hints that are not told yet when the database is closed
)

// atOnceHints is how many topics wait to be told at most: more of them are told as hintAll.
const atOnceHints = 10_000

// hints tells topics to other processes. The zero value is for a database that has no way to.
type hints struct {
	by   engine.Hints // nil: there is none
	self string       // this process, in what it tells

	mu      sync.Mutex
	waiting map[idp.Topic]struct{}
	linked  map[idp.Topic]struct{} // those for this process, too: see DB.tellLinked
	more    chan struct{}          // receives when something waits

	watch chan struct{} // receives when Watch is to look
	roll  chan struct{} // receives when the list of instances is to be looked at
}

// prepare makes the channels; by is nil where there is no way to tell anybody anything.
func (h *hints) prepare(by engine.Hints) {
	h.by, h.self = by, rand.Text()
	h.more, h.watch, h.roll = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
}

// nudge has whoever receives from a channel of one place look.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is going to
	}
}

// Hint tells other processes on this database of topics, soon, and never the one that calls it.
// It does not block. Where a file is the database nobody is told.
func (db *DB) Hint(topics ...idp.Topic) { db.hints.add(topics...) }

func (h *hints) add(topics ...idp.Topic) { h.addTo(&h.waiting, topics) }

// addTo adds topics to those that wait, or to those that were linked.
func (h *hints) addTo(all *map[idp.Topic]struct{}, topics []idp.Topic) {
	if h.by == nil || len(topics) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if *all == nil {
		*all = map[idp.Topic]struct{}{}
	}
	for _, t := range topics {
		(*all)[t] = struct{}{}
	}
	if len(*all) > atOnceHints {
		*all = map[idp.Topic]struct{}{hintAll: {}}
	}
	nudge(h.more)
}

// take returns what waits to be told, and what was linked.
func (h *hints) take() (waiting, linked []idp.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting, linked = slices.Sorted(maps.Keys(h.waiting)), slices.Sorted(maps.Keys(h.linked))
	h.waiting, h.linked = nil, nil
	return waiting, linked
}

// everybody is the name of whoever tells what this process has to hear, too.
const everybody = ""

// tell tells what waits: all that gathered while the words before were told goes together. After
// an error it waits still, as hintAll.
func (h *hints) tell(ctx context.Context) error {
	waiting, linked := h.take()
	for _, word := range append(words(h.self, waiting), words(everybody, linked)...) {
		if err := h.by.Tell(ctx, word); err != nil {
			if len(linked) > 0 {
				h.addTo(&h.linked, []idp.Topic{hintAll})
			} else {
				h.add(hintAll)
			}
			return err
		}
	}
	return nil
}

// keepTelling tells what waits until ctx ends, and then once more.
func (db *DB) keepTelling(ctx context.Context) {
	h := &db.hints
	pause := time.Duration(0)
	for {
		select {
		case <-h.more:
		case <-ctx.Done():
			last, done := context.WithTimeout(context.WithoutCancel(ctx), lastHints)
			defer done()
			if err := h.tell(last); err != nil {
				db.conf.Log.DebugContext(ctx, "other instances were not told of the last changes, and see them a moment later", "error", err)
			}
			return
		}
		err := h.tell(ctx)
		if err == nil {
			pause = 0
			continue
		}
		if pause == 0 && ctx.Err() == nil {
			db.conf.Log.WarnContext(ctx, "other instances cannot be told of changes, and see them a moment later", "error", err)
		}
		pause = min(cmp.Or(2*pause, retellFirst), retellAtMost)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// words are topics in words of engine.MaxHint bytes at most, each behind the name of whoever
// tells it. A topic that is too long for one is told as hintAll.
func words(self string, topics []idp.Topic) (all []string) {
	word := self
	for _, t := range topics {
		if len(self)+1+len(t) > engine.MaxHint || strings.ContainsAny(string(t), "\n\x00") {
			t = hintAll
		}
		if len(word)+1+len(t) > engine.MaxHint {
			all, word = append(all, word), self
		}
		word += "\n" + string(t)
	}
	if word != self {
		all = append(all, word)
	}
	return all
}

// Listen hears what other processes tell by Hint until ctx ends, and returns at once where a
// file is the database. heard is told topics; missed is called when any may have been missed,
// which is when listening begins, too. Watch and Live look at what is theirs by themselves.
func (db *DB) Listen(ctx context.Context, heard func(...idp.Topic), missed func()) {
	h := &db.hints
	if h.by == nil {
		return
	}
	again := func() {
		nudge(h.watch)
		nudge(h.roll)
		missed()
	}
	h.by.Listen(ctx, again, func(word string) {
		from, said, _ := strings.Cut(word, "\n")
		if from == h.self {
			return
		}
		var topics []idp.Topic
		for t := range strings.SplitSeq(said, "\n") {
			switch t := idp.Topic(t); t {
			case "":
			case hintAll:
				again()
			case hintWatch:
				nudge(h.watch)
			case hintRoll:
				nudge(h.roll)
			default:
				topics = append(topics, t)
			}
		}
		if len(topics) > 0 {
			heard(topics...)
		}
	})
}

// close ends what telling keeps open.
func (h *hints) close() error {
	if h.by == nil {
		return nil
	}
	return h.by.Close()
}
