package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"hilum/idp"
	"hilum/idp/limit"
)

// Errors of StartBackchannel, by the codes that its door answers with (OpenID Connect
// Client-Initiated Backchannel Authentication Core 1.0, section 13).
var (
	// ErrNobody: the hint is of nobody whose phones this application may have asked. Which it
	// is (no such account, one that is blocked or in none of the groups, no phone) only the
	// log says.
	ErrNobody = errors.New("unknown_user_id")
	// ErrMessage: the binding message is missing, too long, or has letters that cannot be
	// shown.
	ErrMessage = errors.New("invalid_binding_message")
	// ErrUnasked: the person's phones are not asked, by the limits of that or because they
	// have not consented yet.
	ErrUnasked = errors.New("access_denied")
)

// MaxBindingMessage is how many characters a binding message may have.
const MaxBindingMessage = 60

// backchannelMAC is the purpose under which the name of a client stands in place of a browser
// (Sealer.MAC): no cookie can have it.
const backchannelMAC = "backchannel client"

// amrPhone is the amr of an answer by a phone alone, by a key that its software keeps (RFC
// 8176, section 2); amrPhoneVerified where the phone has verified its person besides, and
// two factors so.
var (
	amrPhone         = []string{"swk"}
	amrPhoneVerified = []string{"swk", "user", "mfa"}
)

// Backchannel is an authentication request by the back channel, read by its door.
type Backchannel struct {
	Request idp.AuthRequest // its client and scopes; HintUser or LoginHint says who
	Message string          // binding_message
	Expiry  time.Duration   // requested_expiry; 0: none
	Address string          // client address of the application
	Notify  idp.Secret      // client_notification_token, of an application that is told of the outcome
}

// BackchannelStarted is what an application is given that has asked.
type BackchannelStarted struct {
	ID        idp.Secret // auth_req_id
	ExpiresIn time.Duration
	Interval  time.Duration
}

// StartBackchannel asks the phones of a person, at the wish of an application, without a
// browser (CIBA Core 1.0, section 7). There is no page that could show a number: what ties
// the question to what the person is doing is the binding message, which the application
// shows them too. It may be left out only where the application is registered for a tap
// alone.
//
// No password is asked for, so somebody who merely knows a name rings phones by this. It is
// for applications that an administrator has registered for it, asks no phone that is asked
// too much already, and none after a denial, when a tap alone is too little.
//
// Errors: ErrNobody, ErrMessage, ErrUnasked; idp.ErrTooMany, too many of the application wait.
func (f *Flow) StartBackchannel(ctx context.Context, r Backchannel) (*BackchannelStarted, error) {
	client, err := f.store.Client(ctx, r.Request.Client)
	if err != nil {
		return nil, err
	}
	if !messageFits(r.Message) || r.Message == "" && !mayOmitMessage(client) {
		return nil, ErrMessage
	}
	account, err := f.hinted(ctx, client, &r.Request)
	if err != nil {
		return nil, err
	}
	if ask, err := f.wantsConsent(ctx, client, &r.Request, account.User.ID); err != nil {
		return nil, err
	} else if ask {
		return nil, fmt.Errorf("no consent yet: %w", ErrUnasked)
	}
	now, ttl := f.now(), idp.ChallengeTTL
	if r.Expiry > 0 {
		ttl = min(ttl, r.Expiry)
	}
	started := &BackchannelStarted{ID: idp.NewToken(), ExpiresIn: ttl, Interval: idp.PollInterval}
	req := idp.AuthRequest{Client: client.ID, Scopes: r.Request.Scopes, Resources: r.Request.Resources, Polled: idp.PolledIDOf(started.ID)}
	err = f.store.AddPolled(ctx, &idp.Polled{
		ID: req.Polled, Type: idp.GrantCIBA, Client: client.ID, Request: req, Address: r.Address,
		State: idp.PolledPending, Interval: idp.PollInterval, CreatedAt: now, ExpiresAt: now.Add(ttl),
	})
	if err != nil {
		return nil, err
	}
	l := &idp.Login{
		ID: idp.NewID[idp.LoginID](), Purpose: idp.ForClient, State: idp.LoginFactor, Browser: f.sealer.MAC(backchannelMAC, string(client.ID)),
		Request: req, User: account.User.ID, CreatedAt: now, ExpiresAt: now.Add(ttl),
	}
	if err := f.store.AddLogin(ctx, l); err != nil {
		return nil, err
	}
	ping, err := f.pingOf(client, &r, started.ID, l)
	if err != nil {
		return nil, err
	}
	if err := f.askBackchannel(ctx, l, r, client, &account.User, ping); err != nil {
		// Nobody is asked, so nobody is waited for.
		undo := f.store.UpdateLogin(ctx, l.ID, func(l *idp.Login) error { return l.Apply(idp.OnDeny, f.now()) })
		if errors.Is(err, idp.ErrTooMany) || errors.Is(err, errNoPhone) {
			err = fmt.Errorf("%w: %w", ErrUnasked, err)
		}
		return nil, errors.Join(err, undo)
	}
	return started, nil
}

// mayOmitMessage reports whether an application may ask without a binding message. The FAPI
// profile of CIBA always wants one, for nothing else says what a question is about (section
// 5.2.2).
func mayOmitMessage(c *idp.Client) bool { return c.Match == idp.MatchTap && !c.FAPICIBA() }

// messageFits reports whether a binding message can be shown on a phone as it is: printable
// on one line, without letters that are invisible or turn the line around.
func messageFits(m string) bool {
	if !utf8.ValidString(m) || utf8.RuneCountInString(m) > MaxBindingMessage {
		return false
	}
	for _, r := range m {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r) {
			return false
		}
	}
	return true
}

// hinted returns whom a request is about. Errors: ErrNobody.
func (f *Flow) hinted(ctx context.Context, c *idp.Client, req *idp.AuthRequest) (a *idp.Account, err error) {
	if req.HintUser != "" {
		a, err = f.store.Account(ctx, req.HintUser)
	} else {
		a, err = f.named(ctx, idp.FoldName(req.LoginHint))
	}
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, fmt.Errorf("no such account: %w", ErrNobody)
	case err != nil:
		return nil, err
	case a.User.State != idp.UserActive:
		return nil, fmt.Errorf("%s is not active: %w", a.User.ID, ErrNobody)
	case !c.Admits(&a.User):
		return nil, fmt.Errorf("%s is in none of the groups: %w", a.User.ID, ErrNobody)
	case a.Apps == 0:
		return nil, fmt.Errorf("%s has no phone: %w", a.User.ID, ErrNobody)
	}
	return a, nil
}

// pingOf is what tells the application of a sign-in by the back channel that there is an
// outcome; nil for one that only polls. It is due when the request expires, unless somebody
// answers before.
func (f *Flow) pingOf(c *idp.Client, r *Backchannel, id idp.Secret, l *idp.Login) (*idp.Ping, error) {
	if !c.Backchannel.Pings() {
		return nil, nil
	}
	material := idp.PingMaterial{AuthReqID: id, Token: r.Notify}
	sealed, err := f.sealer.Seal(material.Plain(), idp.PingRow(l.Request.Polled, c.ID))
	if err != nil {
		return nil, err
	}
	return &idp.Ping{
		Polled: l.Request.Polled, Client: c.ID, Sealed: sealed,
		Delivery: idp.Delivery{NextAt: l.ExpiresAt, Until: l.ExpiresAt.Add(idp.PingFor)},
	}, nil
}

// askBackchannel asks the phones of a person for an application, which is told of the answer
// by ping. Errors: errNoPhone; idp.ErrTooMany as RetryError.
func (f *Flow) askBackchannel(ctx context.Context, l *idp.Login, r Backchannel, client *idp.Client, u *idp.User, ping *idp.Ping) error {
	var sent sending
	err := f.store.Ask(ctx, l.ID, idp.TokenHash{}, func(a *idp.Asking, _ bool) error {
		sent = sending{}
		l, now := a.Login, f.now()
		b := Browser{Address: r.Address}
		app := &asker{name: client.Name, match: idp.MatchTap, verify: f.rules.Verify || client.Verify}
		if slices.Contains(r.Request.ACRValues, idp.ACRMultiFactor) && mayAsk(a, true, false, now) == nil {
			app.verify = true // a wish, which is granted where a phone can
		}
		if err := waits(l, idp.LoginFactor, now); err != nil {
			return err
		}
		if err := mayAsk(a, app.verify, false, now); err != nil {
			return err
		}
		if limit.Prompts.Wary(a.Guard, now) {
			return fmt.Errorf("one was denied, and a tap is too little: %w", idp.ErrTooMany)
		}
		if err := limit.Prompts.Allow(a.Guard, l.Browser, r.Address, now); err != nil {
			return err
		}
		if err := f.compose(a, b, app, u, false); err != nil {
			return err
		}
		var doc idp.ChallengeDoc
		if err := json.Unmarshal([]byte(a.New.Doc), &doc); err != nil {
			return err
		}
		// Phones show what an act is, and did so before there was a back channel.
		a.New.Purpose, doc.Purpose, doc.NewBrowser = idp.ToStepUp, idp.ToStepUp, false
		doc.Act = &idp.ChallengeAct{Key: idp.ActMessage, Text: client.Name}
		if r.Message != "" {
			doc.Act.Text += ": " + r.Message
		}
		a.New.ExpiresAt = l.ExpiresAt
		doc.Exp = l.ExpiresAt.Unix()
		a.New.Doc, a.Ping = doc.Text(), ping
		sent = sending{challenge: *a.New, withdrawn: withdrawn(a.Others), devices: a.Devices}
		l.Sends++
		limit.Prompts.Asked(a.Guard, now)
		l.Note(f.event(idp.EventPhoneAsked, l, "", b, "mode", string(idp.MatchTap), "cid", string(a.New.ID), "by", "application"))
		return nil
	})
	if err == nil {
		f.send(sent)
	}
	return err
}

// backchannel reports whether a sign-in has no browser that comes for an answer.
func (f *Flow) backchannel(l *idp.Login) bool {
	return l != nil && l.Request.Polled != "" && l.Browser == idp.TokenHash(f.sealer.MAC(backchannelMAC, string(l.Request.Client)))
}

// answerBackchannel gives an application what a phone has approved, in the transaction of
// the answer: nobody comes for it in a browser. A session comes into being that no browser
// has, so that the person sees it in their account and can end it. It says the truth of the
// proof: a phone, and no password. Errors: idp.ErrSettled, the application may not have it
// any more.
func (f *Flow) answerBackchannel(ctx context.Context, a *idp.Asking, address string, now time.Time) error {
	l, c := a.Login, a.Challenge
	client, err := f.store.Client(ctx, l.Request.Client)
	if errors.Is(err, idp.ErrNotFound) || err == nil && (client.Disabled || !client.Allows(idp.GrantCIBA)) {
		return fmt.Errorf("challenge %s: its application is gone: %w", c.ID, idp.ErrSettled)
	}
	if err != nil {
		return err
	}
	if err := c.Spend(now); err != nil {
		return err
	}
	if err := l.Apply(idp.OnFactor, now); err != nil {
		return err
	}
	l.Device, l.FactorAt, l.AuthTime, l.AMR = c.Device, now, now, amrPhone
	if c.Verified {
		l.AMR, l.ACR = amrPhoneVerified, idp.ACRMultiFactor
	}
	if err := l.Apply(idp.OnCollect, now); err != nil {
		return err
	}
	s := &idp.Session{
		ID: idp.NewID[idp.SessionID](), Token: idp.NewToken().Hash(), Browser: l.Browser, User: l.User,
		AuthTime: now, ACR: l.ACR, AMR: l.AMR, Device: l.Device, Address: c.Address,
		CreatedAt: now, LastSeenAt: now, IdleAfter: f.rules.SessionAbsolute, ExpiresAt: now.Add(f.rules.SessionAbsolute),
	}
	l.Session = s.ID
	b := Browser{Address: address}
	l.Note(f.event(idp.EventFactorRight, l, "", b, "method", "push"))
	l.Note(f.event(idp.EventLoginDone, l, "", Browser{Address: c.Address}, "purpose", string(l.Purpose), "by", "application"))
	a.Session = s
	a.Grant, a.Code, _ = newGrant(&l.Request, s, now)
	a.Grant.Type = idp.GrantCIBA
	a.Code = &idp.Code{Hash: l.Request.Polled.Hash(), Grant: a.Grant.ID, ExpiresAt: l.ExpiresAt.Add(idp.PolledLeft), Polled: l.Request.Polled}
	a.Grant.Note(f.event(idp.EventCodeIssued, l, "", b, "by", "application").WithPurpose(l.Request.Scopes))
	return nil
}
