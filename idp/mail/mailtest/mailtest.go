// Package mailtest is a mail server on loopback that misbehaves on purpose.
package mailtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Letter is one that was taken.
type Letter struct {
	From, To string // of the envelope
	Header   mail.Header
	Subject  string // decoded
	Text     string // decoded
	Over     string // "tls" or "plain"
	Hello    string // by what name the sender introduced itself
	UTF8     bool   // SMTPUTF8 was asked for
	Raw      string // as it came
	User     string // who had signed in, or empty
}

// Conf says how the server is.
type Conf struct {
	TLS      string // "starttls", "tls", "none"
	Username string // must sign in with; empty: needs not
	Password string
	UTF8     bool // SMTPUTF8 is offered
}

// Server is a mail server. Its fields may be set while it runs, under Do.
type Server struct {
	Host string
	Port int
	PEM  []byte         // of its certificate
	Pool *x509.CertPool // with it

	mu       sync.Mutex
	letters  []Letter
	opened   int
	told     *sync.Cond
	mischief func(step, to string) error
}

// Mischief has f asked at each step, "connect", "mail", "rcpt" and "data", what
// comes of it: an error of the protocol, or one of those below. nil: nothing.
func (s *Server) Mischief(f func(step, to string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mischief = f
}

// Refuse is an answer of the protocol.
func Refuse(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
}

// Drop ends the connection without an answer.
var Drop = io.ErrClosedPipe

func (s *Server) asks(conn net.Conn, step, to string) error {
	s.mu.Lock()
	f := s.mischief
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	err := f(step, to)
	if err == Drop { //nolint:errorlint // the very value
		conn.Close()
	}
	return err
}

// Letters returns those that were taken so far.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.letters...)
}

// Opened is how many connections there were.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Wait returns the letters when there are n of them; it fails the test when they
// do not come within half a minute.
func (s *Server) Wait(t testing.TB, n int) []Letter {
	t.Helper()
	late := time.AfterFunc(30*time.Second, s.told.Broadcast)
	defer late.Stop()
	until := time.Now().Add(30 * time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.letters) < n {
		if time.Now().After(until) {
			t.Fatalf("%d letters came, %d were to", len(s.letters), n)
		}
		s.told.Wait()
	}
	return append([]Letter(nil), s.letters...)
}

// New starts a server, which ends with the test.
func New(t testing.TB, c Conf) *Server {
	t.Helper()
	s, stop, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

// Start starts a server, which ends when stop is called.
func Start(c Conf) (s *Server, stop func(), err error) {
	s = &Server{Host: "localhost"}
	s.told = sync.NewCond(&s.mu)
	cert, err := s.certificate()
	if err != nil {
		return nil, nil, err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	server := smtp.NewServer(&backend{s, c})
	server.Domain, server.ReadTimeout, server.WriteTimeout = "mail.test", time.Minute, time.Minute
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.AllowInsecureAuth = c.TLS == "none"
	server.EnableSMTPUTF8 = c.UTF8
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch c.TLS {
	case "starttls":
		server.TLSConfig = conf
	case "tls":
		l = tls.NewListener(l, conf)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) }) // ends when the server is closed
	return s, func() {
		server.Close()
		l.Close()
		wg.Wait()
	}, nil
}

func (s *Server) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	s.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.Pool = x509.NewCertPool()
	s.Pool.AppendCertsFromPEM(s.PEM)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

type backend struct {
	*Server
	conf Conf
}

// NewSession is asked for each connection.
func (b *backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	b.mu.Lock()
	b.opened++
	b.mu.Unlock()
	if err := b.asks(c.Conn(), "connect", ""); err != nil {
		return nil, err
	}
	return &session{backend: b, conn: c}, nil
}

type session struct {
	*backend
	conn *smtp.Conn
	user string
	from string
	utf8 bool
	to   string
}

// AuthMechanisms are those that are offered.
func (s *session) AuthMechanisms() []string {
	if s.conf.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth checks who signs in.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.conf.Username || password != s.conf.Password {
			return Refuse(535, "5.7.8 Authentication credentials invalid")
		}
		s.user = username
		return nil
	}), nil
}

func (s *session) Mail(from string, how *smtp.MailOptions) error {
	if s.conf.Username != "" && s.user == "" {
		return Refuse(530, "5.7.0 Authentication required")
	}
	s.from, s.utf8 = from, how != nil && how.UTF8
	return s.asks(s.conn.Conn(), "mail", "")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.asks(s.conn.Conn(), "rcpt", to)
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.asks(s.conn.Conn(), "data", s.to); err != nil {
		return err
	}
	l, err := read(raw)
	if err != nil {
		return err
	}
	l.From, l.To, l.User, l.Over = s.from, s.to, s.user, "plain"
	l.Hello, l.UTF8, l.Raw = s.conn.Hostname(), s.utf8, string(raw)
	if _, ok := s.conn.TLSConnectionState(); ok {
		l.Over = "tls"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, *l)
	s.told.Broadcast()
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// read takes a letter apart, as a reader's program would.
func read(raw []byte) (*Letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	l := &Letter{Header: m.Header}
	if l.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return nil, err
	}
	body := m.Body
	switch strings.ToLower(m.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	l.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
	return l, err
}
