package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hilum/idp"
)

// Sealer encrypts what has to be read back. row names the row that a value belongs
// to: it opens with no other. idp/keyring implements it.
type Sealer interface {
	Seal(plain []byte, row string) ([]byte, error)
	Open(sealed []byte, row string) ([]byte, error)
}

// Where is the session and the browser that an administrator acts in: a test sign-in
// goes on in no other.
type Where struct {
	Session idp.SessionID
	Browser idp.TokenHash
}

// sealedTryout is what Tryout.Sealed holds: the double's secret, empty for a public
// application, and the PKCE verifier (RFC 7636).
type sealedTryout struct {
	Secret   string `json:"secret,omitempty"`
	Verifier string `json:"verifier"`
}

// StartTryout begins a test sign-in of an application: its double is there from
// now on, for a quarter of an hour. redirect is where the double is answered;
// with again the person proves themselves anew, without it their session may
// answer. Errors: idp.ErrDenied, ErrStale, ErrNotFound; ErrInvalid for an
// application that signs nobody in or is switched off.
func (d *Desk) StartTryout(ctx context.Context, by By, at Where, client idp.ClientID, redirect string, again bool) (*idp.TryoutAsk, error) {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return nil, err
	}
	c, err := d.Client(ctx, by, client)
	if err != nil {
		return nil, err
	}
	if d.conf.Sealer == nil || by.Actor.User == "" || at.Session == "" || at.Browser.IsZero() {
		return nil, fmt.Errorf("a test sign-in needs somebody in a browser: %w", idp.ErrInvalid)
	}
	switch {
	case !c.Allows(idp.GrantCode):
		return nil, &idp.FieldError{Field: "application", Message: "try.program"}
	case c.Disabled:
		return nil, &idp.FieldError{Field: "application", Message: "try.off"}
	}
	now := d.conf.Now()
	state, nonce, verifier := idp.NewToken(), idp.NewToken(), idp.NewToken()
	t := &idp.Tryout{
		ID: idp.NewID[idp.TryoutID](), Of: c.ID, User: by.Actor.User, Session: at.Session, Browser: at.Browser, State: state.Hash(), Nonce: nonce.Hash(),
		RedirectURI: redirect, Again: again, CreatedAt: now, ExpiresAt: now.Add(idp.TryoutTTL),
	}
	var secret idp.Secret
	if !c.Public() {
		secret = idp.NewToken()
		t.Secret = secret.Hash()
	}
	plain, err := json.Marshal(sealedTryout{secret.Reveal(), verifier.Reveal()})
	if err != nil {
		return nil, err
	}
	if t.Sealed, err = d.conf.Sealer.Seal(plain, sealedFor(t)); err != nil {
		return nil, err
	}
	t.Note(d.tryoutEvent(idp.EventTryoutStarted, by, t, map[string]string{"name": c.Name}))
	if err := d.conf.Store.AddTryout(ctx, t); err != nil {
		return nil, err
	}
	ask, err := d.tryoutAsk(ctx, t, c)
	if err != nil {
		return nil, err
	}
	ask.State, ask.Nonce = state, nonce
	return ask, nil
}

// sealedFor is the row that Tryout.Sealed is sealed for.
func sealedFor(t *idp.Tryout) string { return "test " + string(t.ID) }

func (d *Desk) tryoutAsk(ctx context.Context, t *idp.Tryout, c *idp.Client) (*idp.TryoutAsk, error) {
	u, err := d.conf.Store.User(ctx, t.User)
	if err != nil {
		return nil, err
	}
	plain, err := d.conf.Sealer.Open(t.Sealed, sealedFor(t))
	if err != nil {
		return nil, fmt.Errorf("test %s: %w", t.ID, err)
	}
	var kept sealedTryout
	if err := json.Unmarshal(plain, &kept); err != nil {
		return nil, fmt.Errorf("test %s: %w", t.ID, err)
	}
	double := t.Double(c)
	ask := &idp.TryoutAsk{
		Client: double.ID, Auth: double.Auth, Secret: idp.Secret(kept.Secret), RedirectURI: t.RedirectURI, NonceHash: t.Nonce, Verifier: idp.Secret(kept.Verifier),
		Subject: t.User, Hint: u.Name, Again: t.Again, Refresh: double.Allows(idp.GrantRefresh), Scopes: []string{"openid"},
	}
	for _, s := range c.Scopes {
		// A test claims no emergency, and opens no study.
		if !slices.Contains(ask.Scopes, s) && !idp.Emergency([]string{s}) && s != idp.ScopeStudy {
			ask.Scopes = append(ask.Scopes, s)
		}
	}
	return ask, nil
}

// AnswerTryout takes the browser coming back from a test sign-in, once, in the
// session and the browser that it was begun in. Errors: idp.ErrNotFound (no
// such test, or another's), ErrSettled, ErrExpired, ErrDenied.
func (d *Desk) AnswerTryout(ctx context.Context, by By, at Where, state idp.Secret) (*idp.Tryout, *idp.TryoutAsk, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, nil, err
	}
	if !May(by.Role, EditClients) {
		return nil, nil, fmt.Errorf("%s may not %s: %w", by.Actor.Name, EditClients, idp.ErrDenied)
	}
	found, err := d.conf.Store.TryoutByState(ctx, state.Hash())
	if err != nil {
		return nil, nil, err
	}
	var t idp.Tryout
	if err := d.conf.Store.UpdateTryout(ctx, found.ID, func(x *idp.Tryout) error {
		if err := x.Answer(by.Actor.User, at.Session, at.Browser, d.conf.Now()); err != nil {
			return err
		}
		t = *x
		return nil
	}); err != nil {
		return nil, nil, err
	}
	c, err := d.Client(ctx, by, t.Of)
	if err != nil {
		return nil, nil, err
	}
	ask, err := d.tryoutAsk(ctx, &t, c)
	return &t, ask, err
}

// EndTryout keeps the result of a test sign-in, to which the log adds how the
// person fared here; the double and all that it was given are gone. Errors:
// idp.ErrNotFound, ErrSettled.
func (d *Desk) EndTryout(ctx context.Context, by By, id idp.TryoutID, result *idp.TryoutResult) error {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return err
	}
	t, err := d.conf.Store.Tryout(ctx, id)
	if err != nil {
		return err
	}
	if t.User != by.Actor.User {
		return fmt.Errorf("test %s of somebody else: %w", id, idp.ErrNotFound)
	}
	if err := d.addSignIn(ctx, t, result); err != nil {
		return err
	}
	name := string(t.Of)
	if c, err := d.client(ctx, t.Of); err == nil { // else it was removed meanwhile
		name = c.Name
	}
	return d.conf.Store.UpdateTryout(ctx, id, func(t *idp.Tryout) error {
		if !t.EndedAt.IsZero() {
			return fmt.Errorf("test %s: %w", id, idp.ErrSettled)
		}
		t.EndedAt, t.Result, t.Sealed = d.conf.Now(), result, []byte{}
		t.Note(d.tryoutEvent(idp.EventTryoutEnded, by, t, map[string]string{"name": name, "outcome": result.Outcome()}))
		return nil
	})
}

// whyDenied are message keys for why a sign-in was denied, by the event's detail "by".
var whyDenied = map[string]string{"groups": "try.why.groups", "phone": "try.why.phone", "browser": "try.why.cancelled"}

// addSignIn says in the result what the log knows of the sign-in.
func (d *Desk) addSignIn(ctx context.Context, t *idp.Tryout, result *idp.TryoutResult) error {
	events, err := d.conf.Store.SearchEvents(ctx, idp.EventQuery{Client: t.Client(), From: t.CreatedAt, Page: idp.Page{Limit: 50}})
	if err != nil {
		return err
	}
	var why, said string
	for i := range slices.Backward(events.Rows) { // oldest first
		e := &events.Rows[i]
		switch e.Kind {
		case idp.EventFactorRight:
			result.Method = e.Detail["method"]
		case idp.EventCodeIssued:
			if e.Detail["by"] == "session" {
				result.Method = "session"
			}
		case idp.EventConsentRefused:
			why = "try.why.consent"
		case idp.EventLoginDenied:
			if key := whyDenied[e.Detail["by"]]; key != "" && why == "" {
				why = key
			}
			if why == "try.why.phone" {
				if said, err = d.deviceName(ctx, t.User, e.Device); err != nil {
					return err
				}
			}
			if why == "try.why.groups" {
				if c, err := d.client(ctx, t.Of); err == nil {
					said = strings.Join(c.Groups, ", ")
				}
			}
		}
	}
	for i := range result.Steps {
		s := &result.Steps[i]
		if s.Name != "signin" {
			continue
		}
		s.Took = t.AnsweredAt.Sub(t.CreatedAt)
		if !s.OK && why != "" && s.Why == "try.why.denied" {
			s.Why, s.Said = why, said
		}
	}
	return nil
}

func (d *Desk) deviceName(ctx context.Context, user idp.UserID, id idp.DeviceID) (string, error) {
	devices, err := d.conf.Store.Devices(ctx, user)
	if err != nil {
		return "", err
	}
	for i := range devices {
		if devices[i].ID == id {
			return devices[i].Name, nil
		}
	}
	return "", nil
}

// Tryout returns a test sign-in of one's own. Errors: idp.ErrDenied, ErrNotFound.
func (d *Desk) Tryout(ctx context.Context, by By, id idp.TryoutID) (*idp.Tryout, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, err
	}
	t, err := d.conf.Store.Tryout(ctx, id)
	if err != nil {
		return nil, err
	}
	if t.User != by.Actor.User || !d.conf.Now().Before(t.ExpiresAt.Add(idp.TryoutKept)) {
		return nil, fmt.Errorf("test %s: %w", id, idp.ErrNotFound)
	}
	bare := *t
	bare.Browser, bare.State, bare.Nonce, bare.Secret, bare.Sealed = idp.TokenHash{}, idp.TokenHash{}, idp.TokenHash{}, idp.TokenHash{}, nil
	return &bare, nil
}

func (d *Desk) tryoutEvent(kind idp.EventKind, by By, t *idp.Tryout, detail map[string]string) idp.Event {
	detail["test"] = string(t.ID)
	e := d.event(kind, by, detail)
	e.User, e.Client, e.Session = t.User, t.Of, t.Session
	return e
}

// Start says how far the first steps of a new site have come, from what is
// stored of them.
type Start struct {
	Devices, Recovery int          // linked devices and unused recovery codes of who asks
	Apps              int          // of the devices, phones with our app
	Clients           []idp.Client // that sign people in, oldest first
	Tested            idp.ClientID // an application whose test went well; empty: none
	Aside             bool         // put aside
}

// Done reports whether all steps are.
func (s *Start) Done() bool { return s.Devices > 0 && len(s.Clients) > 0 && s.Tested != "" }

// Open reports whether there is something to lead an administrator through.
func (s *Start) Open() bool { return !s.Aside && !s.Done() }

// Start returns how far the first steps have come. Errors: idp.ErrDenied.
func (d *Desk) Start(ctx context.Context, by By) (*Start, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, err
	}
	aside, err := d.conf.Store.StartAside(ctx)
	if err != nil {
		return nil, err
	}
	s := &Start{Aside: !aside.IsZero()}
	a, err := d.conf.Store.Account(ctx, by.Actor.User)
	if err != nil {
		return nil, err
	}
	s.Devices, s.Apps, s.Recovery = a.Devices, a.Apps, a.RecoveryLeft
	clients, err := d.conf.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		if c.Allows(idp.GrantCode) && !c.Disabled {
			bareClient(&c)
			s.Clients = append(s.Clients, c)
		}
	}
	slices.SortStableFunc(s.Clients, func(a, b idp.Client) int { return a.CreatedAt.Compare(b.CreatedAt) })
	s.Tested, err = d.tested(ctx)
	return s, err
}

// tested returns the application of the latest test that went well.
func (d *Desk) tested(ctx context.Context) (idp.ClientID, error) {
	q := idp.EventQuery{Kinds: []idp.EventKind{idp.EventTryoutEnded}, Page: idp.Page{Limit: 50}}
	for range 20 { // a site with so many that went wrong is past its first steps
		found, err := d.conf.Store.SearchEvents(ctx, q)
		if err != nil {
			return "", err
		}
		for i := range found.Rows {
			if found.Rows[i].Detail["outcome"] == "good" {
				return found.Rows[i].Client, nil
			}
		}
		if q.After = found.Next; q.After == "" {
			break
		}
	}
	return "", nil
}

// PutStartAside puts the first steps aside, or takes them up again. Errors:
// idp.ErrDenied, ErrStale.
func (d *Desk) PutStartAside(ctx context.Context, by By, aside bool) error {
	if err := d.allow(ctx, by, EditClients); err != nil {
		return err
	}
	now, kind := time.Time{}, idp.EventStartAgain
	if aside {
		now, kind = d.conf.Now(), idp.EventStartAside
	}
	return d.conf.Store.PutStartAside(ctx, now, d.event(kind, by, nil))
}
