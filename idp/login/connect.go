package login

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hilum/idp"
)

// Codes of people (RFC 8628, section 6.1): letters that do not spell words, nor look like
// others, without a difference between large and small. Of 20 to the power of 8 codes, at
// most idp.MaxPolled of a client wait for somebody; how many wrong ones may be typed its
// door bounds, by address and for all.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// userCodeMAC is the purpose under which codes of people are kept (Sealer.MAC). A plain
// hash of one could be searched.
const userCodeMAC = "user code"

// deviceFresh is how old a sign-in may be, in seconds, that answers a device at once with
// the page that asks for a yes: as old as one that lets people change their account.
const deviceFresh = int64(idp.StepUpFor / time.Second)

// DeviceCodes is what a device is given that asks for somebody to sign in to it (RFC 8628,
// section 3.2).
type DeviceCodes struct {
	Device    idp.Secret // device_code
	User      idp.Secret // user_code, as people are shown it: XXXX-XXXX
	ExpiresIn time.Duration
	Interval  time.Duration
}

// StartDevice begins a sign-in on another machine for a device without a browser (RFC 8628,
// section 3.1). address is the client address of the device. The request is its client's
// id, scopes and languages. Errors: idp.ErrTooMany.
func (f *Flow) StartDevice(ctx context.Context, req idp.AuthRequest, address string) (*DeviceCodes, error) {
	now := f.now()
	c := &DeviceCodes{Device: idp.NewToken(), ExpiresIn: idp.PolledTTL, Interval: idp.PollInterval}
	p := &idp.Polled{
		ID: idp.PolledIDOf(c.Device), Type: idp.GrantDevice, Client: req.Client, Address: address,
		State: idp.PolledPending, Interval: idp.PollInterval, CreatedAt: now, ExpiresAt: now.Add(idp.PolledTTL),
	}
	// Whoever types the code may have been sent it by somebody else: a session alone never
	// answers. The person is always asked, and by a sign-in that is fresh (RFC 8628,
	// section 5.4).
	fresh := deviceFresh
	req.Polled, req.MaxAge, req.Prompt = p.ID, &fresh, []string{"consent"}
	p.Request = req
	for try := 0; ; try++ {
		letters := userCode()
		c.User = idp.Secret(letters[:userCodeLength/2] + "-" + letters[userCodeLength/2:])
		p.UserCode = f.userCodeHash(letters)
		err := f.store.AddPolled(ctx, p)
		if err == nil {
			return c, nil
		}
		if try == 3 || !errors.Is(err, idp.ErrConflict) {
			return nil, err
		}
	}
}

// userCode draws a code.
func userCode() string {
	b := make([]byte, userCodeLength)
	for i := range b {
		b[i] = userCodeLetters[draw(len(userCodeLetters))]
	}
	return string(b)
}

func (f *Flow) userCodeHash(letters string) []byte {
	h := f.sealer.MAC(userCodeMAC, letters)
	return h[:]
}

// UserCode returns the letters of a code as it was typed: in small letters, with or without
// what stands between them. Error: idp.ErrInvalid for what is no code.
func UserCode(typed string) (string, error) {
	letters := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '-', '_', '.', '\u00a0', '\u2010', '\u2011', '\u2013':
			return -1
		}
		return r
	}, strings.ToUpper(typed))
	if len(letters) != userCodeLength || strings.Trim(letters, userCodeLetters) != "" {
		return "", fmt.Errorf("user code: %w", idp.ErrInvalid)
	}
	return letters, nil
}

// ConnectDevice begins the sign-in for the device that shows a code, in the browser where the
// code was typed. It does not use the code up: the yes does, or the no. Errors:
// idp.ErrInvalid, what was typed is no code; idp.ErrNotFound, none that waits;
// idp.ErrTooMany as RetryError.
func (f *Flow) ConnectDevice(ctx context.Context, typed string, b Browser) (*Step, error) {
	letters, err := UserCode(typed)
	if err != nil {
		return nil, err
	}
	p, err := f.store.PolledByCode(ctx, f.userCodeHash(letters))
	if err != nil {
		return nil, err
	}
	c, err := f.store.Client(ctx, p.Client)
	if err != nil {
		return nil, err
	}
	if p.Type != idp.GrantDevice || p.Live(f.now()) != nil || c.Disabled || !c.Allows(idp.GrantDevice) {
		return nil, fmt.Errorf("user code: %w", idp.ErrNotFound)
	}
	_, step, err := f.Authorize(ctx, p.Request, b)
	if err == nil && step == nil {
		err = fmt.Errorf("a device was answered without a page: %w", idp.ErrDenied) // never: its request asks for consent
	}
	return step, err
}

// deviceOf returns the request of a device that a sign-in answers, nil for any other sign-in,
// and whether it still waits for an answer.
func (f *Flow) deviceOf(ctx context.Context, l *idp.Login) (p *idp.Polled, waits bool, err error) {
	if l.Request.Polled == "" {
		return nil, true, nil
	}
	p, err = f.store.Polled(ctx, l.Request.Polled)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return p, p.Live(f.now()) == nil, nil
}

// DeviceStep is what the person is told of the machine that asks.
type DeviceStep struct {
	Address string    // client address that asked
	At      time.Time // when it did
}

// answerDevice gives what a person has allowed to the device that asked: its device code
// is the code of the grant. The browser gets none. Errors: idp.ErrExpired where the device
// does not wait any more, and then nothing comes into being.
func (f *Flow) answerDevice(c *idp.Collection, device *idp.Polled, answer *Answer, b Browser) error {
	if device == nil || !c.Login.Consented {
		return fmt.Errorf("sign-in %s: no device, or no yes to it: %w", c.Login.ID, idp.ErrExpired)
	}
	answer.Code = ""
	c.Grant.Type = device.Type
	until := f.now().Add(idp.PolledLeft)
	if device.ExpiresAt.After(until) {
		until = device.ExpiresAt
	}
	c.Code = &idp.Code{Hash: device.ID.Hash(), Grant: c.Grant.ID, ExpiresAt: until, Polled: device.ID}
	c.Grant.Note(f.event(idp.EventCodeIssued, c.Login, "", b, "by", "device", "device", device.Address).WithPurpose(c.Login.Request.Scopes))
	return nil
}
