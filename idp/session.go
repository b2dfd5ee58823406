package idp

import "time"

// Session is what a finished sign-in leaves in a browser. Its ID is public (the
// sid claim); the cookie holds another value, which changes at every sign-in
// and step-up, and only its hash is here.
type Session struct {
	ID         SessionID
	Token      TokenHash
	Browser    TokenHash // the browser it lives in, see Login.Browser
	User       UserID
	AuthTime   time.Time // when the person last proved themselves in full
	FactorAt   time.Time // when a second factor was last given, step-ups included
	ACR        string
	AMR        []string
	Device     DeviceID // that gave the second factor last; empty: a recovery code did
	Agent      string   // User-Agent, bounded
	Address    string
	CreatedAt  time.Time
	LastSeenAt time.Time
	IdleAfter  time.Duration // without a request the session has expired
	ExpiresAt  time.Time     // whatever the use
	EndedAt    time.Time     // zero while it lives

	Journal `json:"-"`
}

// Live returns nil, ErrSettled when the session was ended, or ErrExpired.
func (s *Session) Live(now time.Time) error {
	switch {
	case !s.EndedAt.IsZero():
		return ErrSettled
	case !now.Before(s.ExpiresAt), !now.Before(s.LastSeenAt.Add(s.IdleAfter)):
		return ErrExpired
	}
	return nil
}

// StepUpFor is how long a second factor counts as fresh.
const StepUpFor = 5 * time.Minute

// Fresh returns nil or ErrStale: the second factor was not given within
// StepUpFor of now.
func (s *Session) Fresh(now time.Time) error {
	if s.FactorAt.IsZero() || now.Sub(s.FactorAt) > StepUpFor {
		return ErrStale
	}
	return nil
}

// SessionClient is an application that was signed in to from a session.
type SessionClient struct {
	Session SessionID
	Client  ClientID
	FirstAt time.Time
	LastAt  time.Time
}
