package file

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// Every is how often watched files are looked at. They are few and small, so their
// contents are compared: no time stamp or size that stayed the same hides a change,
// and whatever a path leads through may be swapped. Large ones are read only when
// time stamp or size are others.
const Every = 2 * time.Second

// Named is a file with the setting that names it.
type Named struct {
	Setting string // "mail.password_file"
	Path    string
	Secret  bool // owner and mode have to pass Check
	// Large bounds the file in bytes where it is no text, such as a database, and may be
	// large: it is read as it is, and again only when its time stamp or size are others.
	// 0: it is text of up to MaxSize.
	Large int64
}

// Source is what is made of one file, or of several that belong together.
type Source struct {
	Files []Named
	// Take makes use of what was read, in the order of Files. After an error
	// what was taken before has to be in use as it was.
	Take func([]Content) error
	// Failed, if there is one, is told when a reading fails, and nil when all is well again.
	Failed func(error)
}

// Watcher reads sources again when their files change, and after a failed reading
// until one is taken. What was taken last stays in use meanwhile. Each failure is
// logged once, and so is what is taken up. Safe for concurrent use.
type Watcher struct {
	Log   *slog.Logger
	Every time.Duration // 0: Every

	mu      sync.Mutex
	sources []*watched
}

// watched is a source with what its last reading came to.
type watched struct {
	Source
	taken [sha256.Size]byte // digest of what was taken last
	seen  []stamp           // of Files, where all are large and could be read last time
	fault string            // of the last reading, empty: it was taken
	notes map[string]string // the Note of each path that was logged last
}

// Open reads a source for the first time, and keeps it to be watched. The error is
// that of the file or of Take; the source is not watched then.
func (w *Watcher) Open(s Source) error {
	one := &watched{Source: s, notes: map[string]string{}}
	one.seen = one.stamps() // before the reading: what is written meanwhile is read again
	all, err := one.read()
	if err == nil {
		err = s.Take(all)
	}
	if err != nil {
		return err
	}
	one.taken = digest(all)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell(one, all)
	w.sources = append(w.sources, one)
	return nil
}

// Follow is Open for what the process can do without for a while: the source is
// watched also when its first reading fails, which is returned, and told to Failed.
func (w *Watcher) Follow(s Source) error {
	err := w.Open(s)
	if err == nil {
		return nil
	}
	w.mu.Lock()
	w.sources = append(w.sources, &watched{Source: s, fault: err.Error(), notes: map[string]string{}})
	w.mu.Unlock()
	if s.Failed != nil {
		s.Failed(err)
	}
	return err
}

// Run looks at all sources until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	every := w.Every
	if every == 0 {
		every = Every
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.Look()
		}
	}
}

// Look looks at all sources once.
func (w *Watcher) Look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sources {
		w.look(s)
	}
}

// look reads one source again, and has it taken where it is another than the one
// taken last, or the last reading failed.
func (w *Watcher) look(s *watched) {
	seen := s.stamps()
	if seen != nil && slices.Equal(seen, s.seen) {
		return
	}
	all, err := s.read()
	s.seen = nil
	if err == nil {
		s.seen = seen
		now := digest(all)
		if s.fault == "" && now == s.taken {
			w.tell(s, all)
			return
		}
		if err = s.Take(all); err == nil {
			again := now == s.taken
			s.taken, s.fault = now, ""
			w.tell(s, all)
			if again {
				w.log().Info("a file is as it was again", s.names()...)
			} else {
				w.log().Info("a changed file is in use", s.names()...)
			}
			if s.Failed != nil {
				s.Failed(nil)
			}
			return
		}
	}
	if err.Error() == s.fault {
		return
	}
	s.fault = err.Error()
	w.log().Error("a file cannot be used; what was read before stays in use, and it is tried again", append(s.names(), "error", err)...)
	if s.Failed != nil {
		s.Failed(err)
	}
}

// tell logs the Note of a secret's owner and mode, once, and again when it changes.
func (w *Watcher) tell(s *watched, all []Content) {
	for i, f := range s.Files {
		if all[i].Note != s.notes[f.Path] {
			s.notes[f.Path] = all[i].Note
			if all[i].Note != "" {
				w.log().Info("a secret file is not its owner's and ours alone", "setting", f.Setting, "file", f.Path, "note", all[i].Note)
			}
		}
	}
}

func (w *Watcher) log() *slog.Logger {
	if w.Log == nil {
		return slog.Default()
	}
	return w.Log
}

func (s *watched) read() ([]Content, error) {
	all := make([]Content, len(s.Files))
	for i, f := range s.Files {
		var err error
		if all[i], err = read(f); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// stamp is by what a change of a large file is noticed.
type stamp struct {
	at   int64 // of its last change, in nanoseconds since 1970
	size int64 // in bytes
}

// stamps are those of the files; nil where one of them is small, or cannot be looked at.
func (s *watched) stamps() []stamp {
	var all []stamp
	for _, f := range s.Files {
		if f.Large == 0 {
			return nil
		}
		info, err := os.Stat(f.Path)
		if err != nil {
			return nil
		}
		all = append(all, stamp{info.ModTime().UnixNano(), info.Size()})
	}
	return all
}

// names are the log attributes that say which files are meant.
func (s *watched) names() []any {
	var out []any
	for _, f := range s.Files {
		out = append(out, f.Setting, f.Path)
	}
	return out
}

func digest(all []Content) [sha256.Size]byte {
	h := sha256.New()
	for _, c := range all {
		sum := sha256.Sum256(c.Bytes)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
