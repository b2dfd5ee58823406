package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"hilum/idp"
)

// How a mail server is spoken to.
const (
	TLSStart = "starttls" // in the clear until STARTTLS, which it must know (RFC 3207)
	TLSFrom  = "tls"      // encrypted from the first byte (RFC 8314)
	TLSNone  = "none"     // in the clear
)

// Server is the mail server that letters are handed to (RFC 5321, RFC 6409).
type Server struct {
	Host     string
	Port     int
	TLS      string // TLSStart, TLSFrom, TLSNone
	Roots    *x509.CertPool
	Username string // empty: without
	Password idp.Secret
	From     string // address of the sender
	FromName func() string
	ReplyTo  string        // address, or empty
	Hello    string        // by what name we introduce ourselves
	Timeout  time.Duration // of each step; 0: 15 s
}

// Open connects, greets and signs in. Errors are *Refused.
func (s *Server) Open(ctx context.Context) (Line, error) {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	l := &line{server: s, free: func() bool { return true }}
	// The library ends a connection by its timeout only; ours ends with ctx.
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		if s.TLS == TLSFrom {
			t := tls.Client(c, s.config())
			if err := t.HandshakeContext(dialing); err != nil {
				c.Close()
				return nil, err
			}
			c = t
		}
		l.conn, l.free = c, context.AfterFunc(ctx, func() { c.Close() })
		return c, nil
	}
	policy := gomail.TLSMandatory
	if s.TLS != TLSStart {
		policy = gomail.NoTLS
	}
	options := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(s.config()), gomail.WithDialContextFunc(dial),
		gomail.WithHELO(s.Hello), gomail.WithTLSPolicy(policy), gomail.WithoutNoop(),
	}
	if s.Username != "" {
		options = append(options, gomail.WithUsername(s.Username), gomail.WithPassword(s.Password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	var err error
	if l.client, err = gomail.NewClient(s.Host, options...); err != nil {
		return nil, noLine(err)
	}
	if l.to, err = l.client.DialToSMTPClientWithContext(ctx); err != nil {
		if l.conn != nil {
			l.free()
			l.conn.Close()
		}
		return nil, noLine(err)
	}
	return l, nil
}

func (s *Server) config() *tls.Config {
	return &tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
}

// line is one connection to the mail server.
type line struct {
	server *Server
	client *gomail.Client
	to     *smtp.Client
	conn   net.Conn
	free   func() bool // of the context that it was opened in
}

// Close says good-bye and ends the connection.
func (l *line) Close() {
	_ = l.client.CloseWithSMTPClient(l.to)
	l.free()
	l.conn.Close()
}

// Send hands one letter over. Errors are *Refused.
func (l *line) Send(_ context.Context, id idp.MailID, letter *idp.Letter) error {
	m, err := l.server.message(id, letter)
	if err != nil {
		return refused(idp.UnsentAddress, err)
	}
	err = l.client.SendWithSMTPClient(l.to, m)
	if err == nil {
		return nil
	}
	var sent *gomail.SendError
	if errors.As(err, &sent) && sent.Reason == gomail.ErrSMTPReset {
		return &Refused{Broken: true, Err: err} // it was taken; the connection is of no use any more
	}
	r := notTaken(err)
	// Logs name nobody.
	r.Detail, _, _ = strings.Cut(r.Detail, ", affected recipient")
	r.Detail = strings.ReplaceAll(r.Detail, letter.To, "the address")
	r.Err = errors.New(r.Detail)
	return r
}

// message is a letter in the form of RFC 5322. An address or name that it cannot
// hold is an error.
func (s *Server) message(id idp.MailID, letter *idp.Letter) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	name := ""
	if s.FromName != nil {
		name = s.FromName()
	}
	if err := m.FromFormat(name, s.From); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := m.AddToFormat(letter.Name, letter.To); err != nil {
		return nil, errors.New("the address cannot be written to") // the library's error has it
	}
	if s.ReplyTo != "" {
		if err := m.ReplyTo(s.ReplyTo); err != nil {
			return nil, fmt.Errorf("reply to: %w", err)
		}
	}
	m.Subject(letter.Subject)
	m.SetDate()
	// The same in each try, so that who gets it twice can tell.
	m.SetMessageIDWithValue(string(id) + s.From[strings.LastIndexByte(s.From, '@'):])
	// No machine answers it (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("Content-Language", letter.Lang)
	m.SetBodyString(gomail.TypeTextPlain, letter.Text)
	return m, nil
}

// noLine says why there is no connection.
func noLine(err error) *Refused {
	r := notTaken(err)
	r.Broken, r.Final = true, false // another try may find it mended
	if r.Said == idp.UnsentRefused || r.Said == idp.UnsentAddress {
		r.Said = idp.UnsentUnreachable
	}
	return r
}

// notTaken says what an error of the library means.
func notTaken(err error) *Refused {
	r := &Refused{Failure: idp.Failure{Said: idp.UnsentUnreachable}, Err: err}
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var timeout net.Error
	var protocol *textproto.Error
	var sent *gomail.SendError
	code := 0
	if errors.As(err, &protocol) {
		code, r.Detail = protocol.Code, strconv.Itoa(protocol.Code)+" "+protocol.Msg
	}
	if errors.As(err, &sent) {
		code = sent.ErrorCode()
		r.Detail = strings.TrimSpace(sent.Error())
	}
	switch {
	case errors.As(err, &verification), errors.As(err, &authority), strings.Contains(err.Error(), "does not support STARTTLS"):
		r.Said, r.Broken = idp.UnsentCertificate, true
	case code == 530, code == 534, code == 535, code == 538:
		r.Said, r.Broken = idp.UnsentLogin, true
	case code == 0 && strings.Contains(strings.ToLower(err.Error()), "smtp auth"): // none that both know
		r.Said, r.Broken = idp.UnsentLogin, true
	case code >= 400 && code < 500:
		r.Said, r.Broken = idp.UnsentLater, code == 421
	case sent != nil && sent.Reason == gomail.ErrSMTPRcptTo && code >= 500:
		r.Said, r.Final = idp.UnsentAddress, true
	case code >= 500:
		r.Said, r.Final = idp.UnsentRefused, true
	case errors.As(err, &timeout) && timeout.Timeout(), strings.Contains(err.Error(), "i/o timeout"): // the library wraps some
		r.Said, r.Broken = idp.UnsentTimeout, true
	default:
		r.Broken = true
	}
	return r
}
