package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
)

// Prizes are things of which each is to be had once, for rivals in several processes, which
// are handed them as JSON.
type Prizes struct {
	Now  time.Time
	User idp.UserID
	All  []Prize
}

// Prize is one of them.
type Prize struct {
	Kind   string
	Token  idp.TokenHash  // "code", "refresh token", "jwt"
	Grant  idp.GrantID    // of the token
	Logins [2]idp.LoginID // of each process, or the same twice
	Name   string         // "name"
	Step   int64          // "step"
	User   idp.UserID     // "step", "guess", "sign-in"
	Browse idp.TokenHash  // "sign-in"
}

// guesses is how many of those for one prize are let through.
const guesses = 5

// MakePrizes makes so many of each kind.
func MakePrizes(t *testing.T, s Store, rounds int) *Prizes {
	c := &site{Store: s, t: t, now: time.Now().UTC().Truncate(time.Microsecond)}
	u := c.user("anna")
	out := &Prizes{Now: c.now, User: u.ID}
	for range rounds {
		in := c.signIn(u)
		out.All = append(out.All, Prize{Kind: "code", Token: in.code.Hash, Grant: in.grant.ID})
		in, first := c.redeemed(u)
		out.All = append(out.All, Prize{Kind: "refresh token", Token: first.Refresh.Hash, Grant: in.grant.ID})
		l := c.login(u.ID, idp.LoginDone)
		out.All = append(out.All, Prize{Kind: "sign-in", Logins: [2]idp.LoginID{l.ID, l.ID}, User: u.ID, Browse: l.Browser})
		out.All = append(out.All, Prize{Kind: "jwt", Token: idp.NewToken().Hash()}, Prize{Kind: "name", Name: idp.NewID[string]()})
		other := c.user(idp.NewID[string]())
		_, err := c.device(other.ID)
		c.ok(err)
		out.All = append(out.All, Prize{Kind: "step", User: other.ID, Step: 4711,
			Logins: [2]idp.LoginID{c.login(other.ID, idp.LoginFactor).ID, c.login(other.ID, idp.LoginFactor).ID}})
		out.All = append(out.All, Prize{Kind: "guess", User: other.ID})
	}
	return out
}

// Play has one process try for all, several at once, and returns what it was told of each:
// empty for yes. Of guesses it is how many were let through.
func (p *Prizes) Play(ctx context.Context, s Store, as int) (said []string, through []int) {
	said, through = make([]string, len(p.All)), make([]int, len(p.All))
	site := &site{now: p.Now}
	var next atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(p.All)); i = next.Add(1) - 1 {
				prize := p.All[i]
				if prize.Kind == "guess" {
					for range guesses {
						err := s.UpdateCounter(ctx, idp.CounterKey{Kind: idp.CountCodes, Who: string(prize.User)}, nil, func(c *idp.Counter) error {
							if c.InARow >= guesses {
								return idp.ErrTooMany
							}
							c.InARow++
							return nil
						})
						if err == nil {
							through[i]++
						} else if !errors.Is(err, idp.ErrTooMany) {
							said[i] = err.Error()
						}
					}
					continue
				}
				switch err := site.try(ctx, s, &prize, as); {
				case err == nil:
				case slices.ContainsFunc(append(sentinels, idp.ErrReplayed), func(k error) bool { return errors.Is(err, k) }):
					said[i] = "no"
				default:
					said[i] = err.Error()
				}
			}
		})
	}
	all.Wait()
	return said, through
}

func (s *site) try(ctx context.Context, at Store, p *Prize, as int) error {
	switch p.Kind {
	case "code":
		return at.RedeemCode(ctx, p.Token, s.now, s.issue(p.Grant), s.event(idp.EventCodeRedeemed))
	case "refresh token":
		return at.RotateRefresh(ctx, p.Token, s.now, 0, s.issue(p.Grant))
	case "jwt":
		return at.UseJWT(ctx, p.Token, s.now.Add(time.Hour))
	case "name":
		return at.AddUser(ctx, &idp.User{ID: idp.NewID[idp.UserID](), Name: p.Name, CreatedAt: s.now, UpdatedAt: s.now})
	case "step":
		return at.UpdateProof(ctx, p.Logins[as], idp.CountCodes, "", func(x *idp.Proof) error {
			if x.Devices[0].LastStep >= p.Step {
				return idp.ErrCodeUsed
			}
			x.Devices[0].LastStep = p.Step
			return x.Login.Apply(idp.OnFactor, s.now)
		})
	case "sign-in":
		return at.Collect(ctx, p.Logins[as], func(into *idp.Collection) error {
			into.Session = s.newSession(p.User, p.Browse)
			into.Grant = s.newGrant(into.Session)
			into.Code = s.newCode(into.Grant)
			return into.Login.Apply(idp.OnCollect, s.now)
		})
	}
	return errors.New("not known: " + p.Kind)
}

// Judge looks at what each process was told: one has each prize, the others were told no.
func (p *Prizes) Judge(t *testing.T, said [][]string, through [][]int) {
	t.Helper()
	for i, prize := range p.All {
		won, lost, passed := 0, 0, 0
		for as := range said {
			switch passed += through[as][i]; said[as][i] {
			case "":
				won++
			case "no":
				lost++
			default:
				t.Errorf("%s: a process was told %s", prize.Kind, said[as][i])
			}
		}
		switch {
		case prize.Kind == "guess" && passed != guesses:
			t.Errorf("%d guesses of %d processes were let through, want %d", passed, len(said), guesses)
		case prize.Kind != "guess" && (won != 1 || lost != len(said)-1):
			t.Errorf("%s: %d won, %d were told no", prize.Kind, won, lost)
		}
	}
}
