package storetest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/store/engine"
)

// Books keep what a store was asked to give away once and what it said, while its database
// is ill-treated, so that what is stored can be compared with what was told afterwards.
type Books struct {
	*site
	all    []Store
	people []*bookPerson
	stop   chan struct{}
	load   sync.WaitGroup

	answered, turned atomic.Int64
	mu               sync.Mutex
	lines            []*line
	mute             map[string]int // what a store said that is neither yes nor no nor unknown
}

type bookPerson struct {
	user *idp.User
	step atomic.Int64
}

// told is what a store says of a change.
type told int

const (
	done told = iota
	refused
	away // and nothing was changed
	unknown
)

// line is one change that a store was asked for.
type line struct {
	what  string
	told  told
	mark  string   // of the event that the change writes; empty: it writes none
	keys  []string // of rows that are there when the change was made
	group *group
}

// group is what one of several changes may be made of.
type group struct {
	what  string
	lines []*line
	key   string // of a row that the one leaves, which does not say whose it is
	loose bool   // it may be refused though nobody has used it
}

// OpenBooks adds the people whom all is about.
func OpenBooks(t *testing.T, all []Store, people int) *Books {
	b := &Books{site: &site{Store: all[0], t: t, now: time.Now().UTC().Truncate(time.Microsecond)}, all: all, stop: make(chan struct{}), mute: map[string]int{}}
	b.registered("viewer")
	for i := range people {
		p := &bookPerson{user: b.user(fmt.Sprint("person", i))}
		_, err := b.device(p.user.ID)
		b.ok(err)
		p.step.Store(1000)
		b.people = append(b.people, p)
	}
	return b
}

// Begin lets two walk the stories of each person, at different instances, until End.
func (b *Books) Begin() {
	for i, p := range b.people {
		for at := range 2 {
			b.load.Go(func() { // ends with stop
				for n := i + at; ; n++ {
					select {
					case <-b.stop:
						return
					default:
					}
					b.stories()[n%len(b.stories())](b.all[(i+at)%len(b.all)], p)
				}
			})
		}
	}
}

// Answered is how many changes were answered so far, Turned how many were turned away because
// the server was.
func (b *Books) Answered() int64 { return b.answered.Load() }
func (b *Books) Turned() int64   { return b.turned.Load() }

// End ends the load.
func (b *Books) End() {
	close(b.stop)
	b.load.Wait()
}

func (b *Books) stories() []func(Store, *bookPerson) {
	return []func(Store, *bookPerson){b.signIn, b.rivalCollectors, b.rivalSteps, b.rivalCodes, b.rivalTokens, b.rivalJWTs, b.program, b.counted, b.happens}
}

// ask asks a store for a change, and writes down what it said. kept is false where it said
// anything but yes.
func (b *Books) ask(l *line, change func(ctx context.Context) error) (kept bool) {
	err := change(context.Background()) // whoever asks waits for what is said
	switch {
	case err == nil:
		l.told = done
	case errors.Is(err, engine.ErrUnknown):
		l.told = unknown
	case errors.Is(err, idp.ErrUnwritable), errors.Is(err, engine.ErrHeld):
		l.told = away
	case slices.ContainsFunc(append(sentinels, idp.ErrReplayed), func(s error) bool { return errors.Is(err, s) }):
		l.told = refused
	default:
		l.told = refused
		b.mu.Lock()
		b.mute[err.Error()]++
		b.mu.Unlock()
	}
	if l.told == away {
		b.turned.Add(1)
		select { // as whoever is told so does
		case <-time.After(20 * time.Millisecond):
		case <-b.stop:
		}
	} else {
		b.answered.Add(1)
	}
	b.mu.Lock()
	b.lines = append(b.lines, l)
	if l.group != nil {
		l.group.lines = append(l.group.lines, l)
	}
	b.mu.Unlock()
	return l.told == done
}

func hexed(h idp.TokenHash) string { return hex.EncodeToString(h[:]) }

// each asks all instances for the same at once.
func (b *Books) each(ask func(Store)) {
	var rivals sync.WaitGroup
	for _, s := range b.all {
		rivals.Go(func() { ask(s) })
	}
	rivals.Wait()
}

func (b *Books) marked(kind idp.EventKind, p *bookPerson) (idp.Event, string) {
	e := b.event(kind)
	mark := idp.NewID[string]()
	e.User, e.Detail = p.user.ID, map[string]string{"mark": mark}
	return e, mark
}

// add adds a sign-in.
func (b *Books) add(s Store, p *bookPerson, state idp.LoginState) *idp.Login {
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: state, Browser: idp.NewToken().Hash(),
		Request: idp.AuthRequest{Client: "viewer", RedirectURI: "https://viewer.example/cb", Scopes: []string{"openid"}}, User: p.user.ID,
		CreatedAt: b.now, ExpiresAt: b.now.Add(24 * time.Hour),
	}
	e, mark := b.marked(idp.EventLoginDenied, p)
	l.Note(e)
	if !b.ask(&line{what: "AddLogin", mark: mark, keys: []string{"login " + string(l.ID)}}, func(ctx context.Context) error { return s.AddLogin(ctx, l) }) {
		return nil
	}
	return l
}

func (b *Books) burn(s Store, p *bookPerson, l *idp.Login, step int64, g *group) bool {
	e, mark := b.marked(idp.EventFactorRight, p)
	return b.ask(&line{what: "UpdateProof", mark: mark, group: g}, func(ctx context.Context) error {
		return s.UpdateProof(ctx, l.ID, idp.CountCodes, "", func(x *idp.Proof) error {
			if len(x.Devices) == 0 || x.Devices[0].LastStep >= step {
				return idp.ErrCodeUsed
			}
			x.Devices[0].LastStep = step
			x.Login.Note(e)
			return x.Login.Apply(idp.OnFactor, b.now)
		})
	})
}

func (b *Books) collect(s Store, p *bookPerson, l *idp.Login, g *group) *collected {
	c := &collected{user: p.user, login: l, session: b.newSession(p.user.ID, l.Browser)}
	c.grant = b.newGrant(c.session)
	c.grant.ExpiresAt = b.now.Add(24 * time.Hour)
	c.code = b.newCode(c.grant)
	c.code.ExpiresAt = b.now.Add(24 * time.Hour)
	e, mark := b.marked(idp.EventLoginDone, p)
	if !b.ask(&line{what: "Collect", mark: mark, group: g, keys: []string{"session " + string(c.session.ID), "grant " + string(c.grant.ID), "code " + hexed(c.code.Hash)}},
		func(ctx context.Context) error {
			return s.Collect(ctx, l.ID, func(into *idp.Collection) error {
				session, grant, code := *c.session, *c.grant, *c.code
				into.Session, into.Grant, into.Code = &session, &grant, &code
				into.Login.Note(e)
				return into.Login.Apply(idp.OnCollect, b.now)
			})
		}) {
		return nil
	}
	return c
}

func (b *Books) issued(g idp.GrantID) (idp.Issue, []string) {
	i := b.issue(g)
	i.Access.ExpiresAt, i.Refresh.ExpiresAt = b.now.Add(24*time.Hour), b.now.Add(24*time.Hour)
	return i, []string{"access " + hexed(i.Access.Hash), "refresh " + hexed(i.Refresh.Hash)}
}

func (b *Books) redeem(s Store, p *bookPerson, c *collected, g *group) *idp.Issue {
	i, keys := b.issued(c.grant.ID)
	e, mark := b.marked(idp.EventCodeRedeemed, p)
	if !b.ask(&line{what: "RedeemCode", mark: mark, group: g, keys: keys}, func(ctx context.Context) error {
		return s.RedeemCode(ctx, c.code.Hash, b.now, i, e)
	}) {
		return nil
	}
	return &i
}

func (b *Books) rotate(s Store, c *collected, old *idp.Issue, g *group) *idp.Issue {
	i, keys := b.issued(c.grant.ID)
	if !b.ask(&line{what: "RotateRefresh", group: g, keys: keys}, func(ctx context.Context) error {
		return s.RotateRefresh(ctx, old.Refresh.Hash, b.now, 0, i)
	}) {
		return nil
	}
	return &i
}

// signIn is a sign-in that nobody disturbs, and a second grant from its session.
func (b *Books) signIn(s Store, p *bookPerson) {
	l := b.add(s, p, idp.LoginFactor)
	if l == nil || !b.burn(s, p, l, p.step.Add(1), nil) {
		return
	}
	c := b.collect(s, p, l, nil)
	if c == nil {
		return
	}
	i := b.redeem(s, p, c, nil)
	for range 3 {
		if i == nil {
			break
		}
		i = b.rotate(s, c, i, nil)
	}
	g := b.newGrant(c.session)
	code := b.newCode(g)
	e, mark := b.marked(idp.EventConsentGiven, p)
	g.Note(e)
	b.ask(&line{what: "AddGrant", mark: mark, keys: []string{"grant " + string(g.ID), "code " + hexed(code.Hash)}}, func(ctx context.Context) error {
		return s.AddGrant(ctx, c.session, g, code)
	})
}

func (b *Books) rivalSteps(_ Store, p *bookPerson) {
	step := p.step.Add(1)
	g := &group{what: "a step", loose: true} // of no use any more after a later one
	b.each(func(at Store) {
		if l := b.add(at, p, idp.LoginFactor); l != nil {
			b.burn(at, p, l, step, g)
		}
	})
}

func (b *Books) rivalCollectors(s Store, p *bookPerson) {
	l := b.add(s, p, idp.LoginDone)
	if l == nil {
		return
	}
	g := &group{what: "a sign-in"}
	b.each(func(at Store) { b.collect(at, p, l, g) })
}

func (b *Books) rivalCodes(s Store, p *bookPerson) {
	if l := b.add(s, p, idp.LoginDone); l != nil {
		if c := b.collect(s, p, l, nil); c != nil {
			g := &group{what: "a code"}
			b.each(func(at Store) { b.redeem(at, p, c, g) })
		}
	}
}

func (b *Books) rivalTokens(s Store, p *bookPerson) {
	if l := b.add(s, p, idp.LoginDone); l != nil {
		if c := b.collect(s, p, l, nil); c != nil {
			if i := b.redeem(s, p, c, nil); i != nil {
				g := &group{what: "a refresh token"}
				b.each(func(at Store) { b.rotate(at, c, i, g) })
			}
		}
	}
}

func (b *Books) rivalJWTs(Store, *bookPerson) {
	hash := idp.NewToken().Hash()
	g := &group{what: "a JWT", key: "jwt " + hexed(hash)}
	b.each(func(at Store) {
		b.ask(&line{what: "UseJWT", group: g}, func(ctx context.Context) error { return at.UseJWT(ctx, hash, b.now.Add(24*time.Hour)) })
	})
}

// program is an application that gets a token for itself.
func (b *Books) program(s Store, p *bookPerson) {
	g := &idp.Grant{ID: idp.NewID[idp.GrantID](), Client: "viewer", Scopes: []string{"read"}, CreatedAt: b.now, ExpiresAt: b.now.Add(24 * time.Hour)}
	e, mark := b.marked(idp.EventConsentGiven, p)
	g.Note(e)
	i, keys := b.issued(g.ID)
	b.ask(&line{what: "AddTokens", mark: mark, keys: append(keys, "grant "+string(g.ID))}, func(ctx context.Context) error { return s.AddTokens(ctx, g, i) })
}

// counted counts against one of three people, whom all count against.
func (b *Books) counted(s Store, p *bookPerson) {
	p = b.people[slices.Index(b.people, p)%min(3, len(b.people))]
	e, mark := b.marked(idp.EventPasswordWrong, p)
	b.ask(&line{what: "UpdateCounter", mark: mark}, func(ctx context.Context) error {
		return s.UpdateCounter(ctx, counterOf(p), &e, func(c *idp.Counter) error { c.Month++; return nil })
	})
}

func counterOf(p *bookPerson) idp.CounterKey {
	return idp.CounterKey{Kind: idp.CountPasswords, Who: string(p.user.ID)}
}

func (b *Books) happens(s Store, p *bookPerson) {
	e, mark := b.marked(idp.EventLoginDenied, p)
	b.ask(&line{what: "AddEvent", mark: mark}, func(ctx context.Context) error { return s.AddEvent(ctx, e) })
}

// Check compares what was told with what is stored: the log, and the keys of rows. It logs
// the sums.
func (b *Books) Check(rows map[string]bool) {
	b.t.Helper()
	b.ok(b.VerifyEvents(b.ctx()))
	marks, wrong := map[string]int{}, map[idp.UserID]int{}
	var after int64
	for {
		events, err := b.Events(b.ctx(), after, 5000)
		b.ok(err)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if e.Seq != after+1 {
				b.t.Errorf("event %d follows %d", e.Seq, after)
			}
			after = e.Seq
			// A code that comes again revokes its grant, which is told by the event of who brought it.
			if m := e.Detail["mark"]; m != "" && e.Kind != idp.EventCodeReplayed {
				marks[m]++
			}
			if e.Kind == idp.EventPasswordWrong {
				wrong[e.User]++
			}
		}
	}
	for _, p := range b.people {
		c, err := b.Counter(b.ctx(), counterOf(p))
		b.ok(err)
		if c.Month != wrong[p.user.ID] {
			b.t.Errorf("%d are counted, the log has %d", c.Month, wrong[p.user.ID])
		}
	}
	sums := map[string]map[told]int{}
	found, groups, settled := 0, map[*group]bool{}, 0
	made := func(l *line) bool {
		there, of := 0, len(l.keys)
		for _, k := range l.keys {
			if rows[k] {
				there++
			}
		}
		if l.mark != "" {
			of++
			there += min(marks[l.mark], 1)
			if marks[l.mark] > 1 {
				b.t.Errorf("%s: its event is there %d times", l.what, marks[l.mark])
			}
		}
		if there != 0 && there != of {
			b.t.Errorf("%s, told %d: %d of the %d that it leaves are there: %v", l.what, l.told, there, of, l.keys)
		}
		return there > 0
	}
	for _, l := range b.lines {
		if sums[l.what] == nil {
			sums[l.what] = map[told]int{}
		}
		sums[l.what][l.told]++
		if l.group != nil {
			groups[l.group] = true
		}
		if l.mark == "" && len(l.keys) == 0 {
			continue // its group knows
		}
		switch stored := made(l); {
		case stored && (l.told == refused || l.told == away):
			b.t.Errorf("%s: told as refused (%d), and stored", l.what, l.told)
		case !stored && l.told == done:
			b.t.Errorf("%s: told as done, and not stored", l.what)
		case stored && l.told == unknown:
			found++
		}
	}
	for g := range groups {
		yes, maybe, no, stored := 0, 0, 0, 0
		for _, l := range g.lines {
			switch l.told {
			case done:
				yes++
			case unknown:
				maybe++
			case refused:
				no++
			case away:
			}
			if (l.mark != "" || len(l.keys) > 0) && made(l) {
				stored++
			}
		}
		if g.key != "" && rows[g.key] {
			stored = 1
			if yes == 0 && maybe > 0 {
				found++
			}
		}
		switch {
		case stored > 1, yes > 1:
			b.t.Errorf("%s: used %d times, told %d times", g.what, stored, yes)
		case stored == 0 && (yes > 0 || no > 0 && !g.loose):
			b.t.Errorf("%s: not used, and told so %d times, refused %d times", g.what, yes, no)
		case stored == 1 && yes+maybe == 0:
			b.t.Errorf("%s: used, and nobody was told", g.what)
		}
		settled += stored
	}
	var table strings.Builder
	sum := map[told]int{}
	for _, what := range slices.Sorted(maps.Keys(sums)) {
		n := sums[what]
		fmt.Fprintf(&table, "\n%14s %8d done %6d refused %6d away %5d unknown", what, n[done], n[refused], n[away], n[unknown])
		for k, v := range n {
			sum[k] += v
		}
	}
	b.t.Logf("%d asked for: %d done, %d refused, %d away, %d unknown, of which %d are stored; %d contested, %d used once; %d events%s",
		len(b.lines), sum[done], sum[refused], sum[away], sum[unknown], found, len(groups), settled, after, table.String())
	for said, n := range b.mute {
		b.t.Errorf("told %d times: %s", n, said)
	}
	for what := range sums {
		if sums[what][done] == 0 {
			b.t.Errorf("%s: never done", what)
		}
	}
}
