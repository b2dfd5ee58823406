package oidc

import (
	"time"

	"hilum/idp"
	"hilum/idp/claim"
)

// logoutTTL is the lifetime of a logout token, which is made for one call.
const logoutTTL = 2 * time.Minute

// logoutEvent is the one member of the events claim (section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutToken makes the logout token that tells a client that a session of a person has
// ended (OpenID Connect Back-Channel Logout 1.0, section 2.4), signed by the algorithm
// of the client's ID tokens. It has no nonce, so that it is never taken for an ID
// token. Errors: those of signing.
func (s *Server) LogoutToken(c *idp.Client, user idp.UserID, session idp.SessionID) (idp.Secret, error) {
	key, err := s.signer(c)
	if err != nil {
		return "", err
	}
	at := s.now()
	b := make([]byte, 0, 512)
	b = append(b, `{"iss":`...)
	b = claim.AppendString(b, s.issuerOf(c))
	b = append(b, `,"sub":`...)
	b = claim.AppendString(b, s.conf.Subjects.Of(c, user))
	b = append(b, `,"aud":`...)
	b = claim.AppendString(b, string(c.ID))
	b = append(b, `,"iat":`...)
	b = claim.AppendTime(b, at)
	b = append(b, `,"exp":`...)
	b = claim.AppendTime(b, at.Add(logoutTTL))
	b = append(b, `,"jti":`...)
	b = claim.AppendString(b, idp.NewID[string]())
	b = append(b, `,"sid":`...)
	b = claim.AppendString(b, string(session))
	b = append(b, `,"events":{"`+logoutEvent+`":{}}}`...)
	signed, err := sign(key, typeLogout, b)
	return idp.Secret(signed), err
}
