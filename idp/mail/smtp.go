package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"hilum/idp"
	"hilum/idp/text"
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
	Hello    string        // our host, by which we introduce ourselves when it has a full name
	Timeout  time.Duration // of each step; 0: 15 s
}

// Open connects, greets and signs in. Errors are *Refused.
func (s *Server) Open(ctx context.Context) (Line, error) {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	// Before anything is said: our name may be the address that we come from.
	c, err := s.dial(ctx, timeout)
	if err != nil {
		return nil, noLine(err)
	}
	// The library ends a connection by its timeout only; ours ends with ctx.
	l := &line{server: s, conn: c, free: context.AfterFunc(ctx, func() { c.Close() })}
	dialed := func(context.Context, string, string) (net.Conn, error) { return c, nil }
	policy := gomail.TLSMandatory
	if s.TLS != TLSStart {
		policy = gomail.NoTLS
	}
	options := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(s.config()), gomail.WithDialContextFunc(dialed),
		gomail.WithHELO(helloName(s.Hello, c.LocalAddr())), gomail.WithTLSPolicy(policy), gomail.WithoutNoop(),
	}
	if s.Username != "" {
		options = append(options, gomail.WithUsername(s.Username), gomail.WithPassword(s.Password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	if l.client, err = gomail.NewClient(s.Host, options...); err == nil {
		l.to, err = l.client.DialToSMTPClientWithContext(ctx)
	}
	if err != nil {
		l.free()
		c.Close()
		return nil, noLine(err)
	}
	return l, nil
}

// dial connects, encrypted where the first byte is to be.
func (s *Server) dial(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(dialing, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil || s.TLS != TLSFrom {
		return c, err
	}
	t := tls.Client(c, s.config())
	if err := t.HandshakeContext(dialing); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// helloName is what we call ourselves: the full name of our host, else the
// address that we come from, in brackets (RFC 5321, sections 4.1.1.1 and 4.1.3).
// Mail servers refuse who says «localhost», or an address as if it were a name.
func helloName(host string, local net.Addr) string {
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		if name, _, ok := text.MailOut("x@" + strings.TrimSuffix(host, ".")); ok && idp.ValidMail(name) && strings.Contains(name, ".") {
			return strings.TrimPrefix(name, "x@")
		}
		address = netip.IPv6Unspecified()
		if at, ok := local.(*net.TCPAddr); ok {
			address = at.AddrPort().Addr()
		}
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return "[" + address.String() + "]"
	}
	return "[IPv6:" + address.String() + "]"
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
	m, plain, err := l.server.message(id, letter)
	if err != nil {
		return refused(idp.UnsentAddress, err)
	}
	if !plain {
		if offered, _ := l.to.Extension("SMTPUTF8"); !offered {
			r := refused(idp.UnsentAddress, errors.New("the mail server takes no addresses beyond ASCII (SMTPUTF8)"))
			r.Detail = r.Err.Error()
			return r
		}
	}
	// Asked for only where it is needed: a server behind that does not know it
	// would have to send the letter back.
	l.to.SkipSMTPUTF8(plain)
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
	for _, a := range m.GetTo() {
		r.Detail = strings.ReplaceAll(r.Detail, a.Address, "the address")
	}
	r.Detail = strings.ReplaceAll(r.Detail, letter.To, "the address")
	r.Err = errors.New(r.Detail)
	return r
}

// message is a letter in the form of RFC 5322. plain is false when an address in
// it is not in ASCII. An address that is none is an error.
func (s *Server) message(id idp.MailID, letter *idp.Letter) (m *gomail.Msg, plain bool, err error) {
	plain = true
	address := func(name, typed string, valid bool) (*netmail.Address, error) {
		out, ascii, ok := text.MailOut(typed)
		if !valid || !ok {
			return nil, errors.New("the address cannot be written to") // whose it is stands in no log
		}
		plain = plain && ascii
		return &netmail.Address{Name: shownName(name), Address: out}, nil
	}
	m = gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	name := ""
	if s.FromName != nil {
		name = s.FromName()
	}
	// What an operator has configured may be what nobody else may have.
	ours := func(typed string) bool {
		a, err := netmail.ParseAddress(typed)
		return err == nil && a.Address == typed
	}
	from, err := address(name, s.From, ours(s.From))
	if err != nil {
		return nil, false, fmt.Errorf("sender: %w", err)
	}
	m.FromMailAddress(from)
	to, err := address(letter.Name, letter.To, idp.ValidMail(text.NFC(letter.To)))
	if err != nil {
		return nil, false, err
	}
	m.ToMailAddress(to)
	if s.ReplyTo != "" {
		reply, err := address("", s.ReplyTo, ours(s.ReplyTo))
		if err != nil {
			return nil, false, fmt.Errorf("reply to: %w", err)
		}
		m.ReplyToMailAddress(reply)
	}
	m.Subject(letter.Subject)
	m.SetDate()
	// The same in each try, so that who gets it twice can tell.
	m.SetMessageIDWithValue(string(id) + from.Address[strings.LastIndexByte(from.Address, '@'):])
	// No machine answers it (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("Content-Language", letter.Lang)
	m.SetBodyString(gomail.TypeTextPlain, letter.Text)
	return m, plain, nil
}

// shownName is a name as it stands before an address: whatever signs are in it,
// net/mail puts it in a form of RFC 5322 or RFC 2047. What is no text is left out.
func shownName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, ""))
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
	var sent *gomail.SendError
	code := 0
	if protocol, ok := errors.AsType[*textproto.Error](err); ok {
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
