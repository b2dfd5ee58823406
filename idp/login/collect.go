package login

import (
	"context"
	"errors"
	"fmt"

	"hilum/idp"
)

// Answer is what the browser takes from a finished sign-in back to where it came from.
type Answer struct {
	Purpose idp.LoginPurpose
	Request idp.AuthRequest // ForClient: the authorization request that is answered
	Target  string          // ForAccount, ForStepUp: name of the page that comes after, as StartAccount and StartStepUp were given it; ForInvitation: its purpose
	Code    idp.Secret      // ForClient: the authorization code; empty when denied, and where a device has it
	Held    []byte          // ForStepUp: as StartStepUp was given it; nil: nothing, or denied
	Denied  bool            // the person or a phone said no, or the client does not admit the person
	Session idp.Secret      // new value of the session cookie; empty: the cookie stays as it is
	Known   idp.Secret      // new value of the Known cookie (Browser.Known); empty: the cookie stays as it is
}

// Collect gives the answer of a finished or denied sign-in to the browser that is
// bound to it, once. The session, the grant and its authorization code come into
// being in the same transaction; so does the account's new password, where one was
// chosen by a link from a mailbox. Errors: idp.ErrNotFound, ErrSettled (collected
// before, or not finished), ErrExpired, as a LinkError where the link is why, ErrReplayed
// where the request was pushed and has given a code before, ErrClientDisabled. A relying
// party is told of everything but that the sign-in's own time is up: that the account was
// disabled, or the session that the sign-in went on by was ended, is access_denied to it.
func (f *Flow) Collect(ctx context.Context, id idp.LoginID, b Browser) (*Answer, error) {
	l, err := f.own(ctx, id, b)
	if err != nil {
		return nil, err
	}
	why := ""
	if l.State == idp.LoginDone {
		// Disabling ends sign-ins under way; this one may have learned whose it
		// is only after that.
		a, err := f.store.Account(ctx, l.User)
		if err != nil {
			return nil, err
		}
		switch {
		case a.User.State != idp.UserDisabled:
			why, err = f.refused(ctx, l, &a.User)
		case l.Purpose == idp.ForClient:
			why = "disabled" // the application is told, rather than left waiting
		default:
			err = fmt.Errorf("sign-in %s: %w", id, idp.ErrExpired)
		}
		if err != nil {
			return nil, err
		}
	}
	device, _, err := f.deviceOf(ctx, l)
	if err != nil {
		return nil, err
	}
	var answer *Answer
	var replaced *idp.Session
	err = f.store.Collect(ctx, id, func(c *idp.Collection) error {
		answer, replaced = nil, nil
		l, now := c.Login, f.now()
		if err := bound(l, b); err != nil {
			return err
		}
		denied := l.State == idp.LoginDenied
		if err := l.Apply(idp.OnCollect, now); err != nil {
			return err
		}
		answer = &Answer{Purpose: l.Purpose, Request: l.Request, Denied: denied}
		if l.Purpose != idp.ForClient {
			answer.Target = l.Target
		}
		if denied {
			return nil
		}
		refuse := func(why string) {
			answer.Denied = true
			l.Note(f.event(idp.EventLoginDenied, l, "", b, "by", why))
			c.Refused = true
		}
		if why != "" {
			refuse(why)
			return nil
		}
		if len(l.Held) > 0 {
			var err error
			if answer.Held, err = f.sealer.Open(l.Held, idp.HeldRow(l.ID)); err != nil {
				return err
			}
			l.Held = nil
		}
		s, err := f.sessionOf(c, b, answer)
		if errors.Is(err, idp.ErrExpired) && l.Purpose == idp.ForClient {
			refuse("signed out")
			return nil
		}
		if err != nil {
			return err
		}
		if l.NewHash != "" {
			if err := f.reset(c, b); err != nil {
				return err
			}
		}
		if c.Session != nil && c.Old != nil && c.Old.User != l.User {
			replaced = c.Old
		}
		l.Session = s.ID
		if !l.FactorAt.IsZero() {
			answer.Known = idp.NewToken()
			c.Known = &idp.Known{Old: known(b), Token: answer.Known.Hash(), Browser: b.ID, User: l.User, Agent: agent(b.Agent), Address: b.Address, At: now, ExpiresAt: now.Add(idp.KnownFor)}
		}
		l.Note(f.loginDone(l, b))
		if l.Purpose != idp.ForClient {
			return nil
		}
		c.Grant, c.Code, answer.Code = newGrant(&l.Request, s, now)
		if l.Request.Polled != "" {
			return f.answerDevice(c, device, answer, b)
		}
		c.Grant.Note(f.event(idp.EventCodeIssued, l, "", b, "by", "sign-in").WithPurpose(l.Request.Scopes))
		if l.Consented {
			c.Consent = &idp.Consent{User: l.User, Client: l.Request.Client, Scopes: l.Request.Scopes, Claims: l.Request.Named, Resources: l.Request.Resources, At: now}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if replaced != nil {
		// Somebody else signed in here; what the person before them had in this
		// browser must not be within reach any more.
		_, err := f.store.CutOff(ctx, idp.CutOff{
			User: replaced.User, Cause: idp.CutReplaced, Session: replaced.ID,
			Because: idp.Event{
				At: f.now(), Kind: idp.EventSessionEnded, User: replaced.User, Session: replaced.ID, Address: b.Address,
				Detail: map[string]string{"reason": "another person signed in"},
			},
		})
		if err != nil && !errors.Is(err, idp.ErrNotFound) { // ended meanwhile is as good
			return nil, err
		}
	}
	return answer, nil
}

// loginDone is the event of a sign-in that is finished. It names the browser, so that its
// owner knows it again when the session is long gone.
func (f *Flow) loginDone(l *idp.Login, b Browser) idp.Event {
	e := f.event(idp.EventLoginDone, l, "", b, "purpose", string(l.Purpose))
	if !l.FactorAt.IsZero() && l.Device == "" && l.Purpose != idp.ForInvitation {
		e.Detail["method"] = "recovery"
	}
	if f.describe == nil {
		return e
	}
	browser, system := f.describe(b.Agent)
	for key, value := range map[string]string{"browser": browser, "system": system} {
		if value != "" {
			e.Detail[key] = value
		}
	}
	return e
}

// refused returns, for the log, why a person who has proven themselves may not sign in
// to the client: it names groups, and they are in none; empty where they may. It is told
// only now, so that nobody learns it who has not proven to be that person; and they get
// no session by it.
func (f *Flow) refused(ctx context.Context, l *idp.Login, u *idp.User) (string, error) {
	if l.Purpose != idp.ForClient {
		return "", nil
	}
	c, err := f.store.Client(ctx, l.Request.Client)
	if err != nil || c.Admits(u) {
		return "", err
	}
	return "groups", nil
}

// sessionOf decides which session a finished sign-in leaves: for the same person
// the one that the browser had, with a new cookie value, else a new one. It sets the
// cookie of the answer. Errors: idp.ErrExpired where a session is needed and has ended.
func (f *Flow) sessionOf(c *idp.Collection, b Browser, answer *Answer) (*idp.Session, error) {
	l, now := c.Login, f.now()
	same := c.Old != nil && c.Old.User == l.User && l.NewHash == "" // a new password ends them all
	switch {
	case l.FactorAt.IsZero(), l.Purpose == idp.ForStepUp:
		// Nothing but a step-up, or a yes, was asked of a session that was there.
		if !same {
			return nil, fmt.Errorf("sign-in %s: its session has ended: %w", l.ID, idp.ErrExpired)
		}
		c.Old.LastSeenAt = now
		if l.Purpose != idp.ForStepUp {
			return c.Old, nil
		}
		c.Old.FactorAt, c.Old.Device = l.FactorAt, l.Device
	case same:
		c.Old.AuthTime, c.Old.FactorAt, c.Old.ACR, c.Old.AMR, c.Old.Device = l.AuthTime, l.FactorAt, l.ACR, l.AMR, l.Device
		c.Old.LastSeenAt, c.Old.ExpiresAt = now, now.Add(f.rules.SessionAbsolute)
		c.Old.Agent, c.Old.Address = agent(b.Agent), b.Address
	default:
		token := idp.NewToken()
		answer.Session = token
		c.Session = &idp.Session{
			ID: idp.NewID[idp.SessionID](), Token: token.Hash(), Browser: b.ID, User: l.User,
			AuthTime: l.AuthTime, FactorAt: l.FactorAt, ACR: l.ACR, AMR: l.AMR, Device: l.Device, Agent: agent(b.Agent), Address: b.Address,
			CreatedAt: now, LastSeenAt: now, IdleAfter: f.rules.SessionIdle, ExpiresAt: now.Add(f.rules.SessionAbsolute),
		}
		return c.Session, nil
	}
	// The cookie's value changes with every proof, so that one seen before is
	// of no use after.
	token := idp.NewToken()
	answer.Session, c.Old.Token = token, token.Hash()
	return c.Old, nil
}

// reset gives the account the password that was chosen by a link from a mailbox,
// now that a second factor was proven, and uses the link up. Errors: idp.ErrExpired
// as a LinkError (the link is good no more), ErrDenied (no second factor was proven).
func (f *Flow) reset(c *idp.Collection, b Browser) error {
	l := c.Login
	if c.Invitation == nil {
		return fmt.Errorf("sign-in %s: it was withdrawn: %w", l.ID, &LinkError{idp.InvitationPurpose(l.Target), idp.ErrExpired})
	}
	if l.FactorAt.IsZero() || !c.Invitation.Waits() || l.Target != string(c.Invitation.Purpose) || c.Invitation.User != l.User {
		return fmt.Errorf("sign-in %s has proven nothing for a new password: %w", l.ID, idp.ErrDenied)
	}
	if c.Invitation.Open(f.now()) != nil {
		// Never settled: that would say that the sign-in was collected.
		return fmt.Errorf("sign-in %s: %w", l.ID, &LinkError{c.Invitation.Purpose, idp.ErrExpired})
	}
	c.Invitation.UsedAt = f.now()
	c.Invitation.Note(f.event(idp.EventInvitationUsed, l, "", b, "purpose", l.Target))
	c.PasswordHash, c.Because = l.NewHash, f.event(idp.EventPasswordReset, l, "", b, "by", "mail")
	l.NewHash = ""
	return nil
}

// maxAgent is how much of a User-Agent is kept, in bytes.
const maxAgent = 256

// agent is a User-Agent header as it is kept with a session: its printable ASCII,
// of the first maxAgent bytes.
func agent(s string) string {
	if len(s) > maxAgent {
		s = s[:maxAgent]
	}
	clean := make([]byte, 0, len(s))
	for i := range len(s) {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			clean = append(clean, c)
		}
	}
	return string(clean)
}
