package pushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hilum/idp"
)

// WebPush is a push service for browsers (RFC 8030).
type WebPush struct {
	service
	srv  *httptest.Server
	subs map[string]*Subscription
	Key  string // the VAPID key it has seen first; another is a fault
}

// Subscription is the push subscription of one browser. Got receives its messages.
type Subscription struct {
	Address idp.PushAddress
	Got     chan Message
	private *ecdh.PrivateKey
	auth    []byte
}

// Message is a message as a browser gets it, decrypted.
type Message struct {
	Header http.Header
	Text   []byte
	Length int // of the encrypted body
}

// NewWebPush starts a service on loopback; it ends with the test.
func NewWebPush(t testing.TB) *WebPush {
	w := &WebPush{subs: map[string]*Subscription{}}
	w.srv = httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(func() { w.srv.CloseClientConnections(); w.srv.Close() })
	return w
}

// Host is the host and port of the service.
func (w *WebPush) Host() string { return strings.TrimPrefix(w.srv.URL, "https://") }

// Roots are the certificates by which that of the service is checked.
func (w *WebPush) Roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(w.srv.Certificate())
	return p
}

// PEM is the certificate of the service, for another process.
func (w *WebPush) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.srv.Certificate().Raw})
}

// Subscribe makes a subscription, as a browser does.
func (w *WebPush) Subscribe() *Subscription {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	s := &Subscription{private: k, auth: make([]byte, 16), Got: make(chan Message, 10_000)}
	rand.Read(s.auth)
	id := rand.Text()
	s.Address = idp.PushAddress{
		Type: idp.PushWeb, Endpoint: w.srv.URL + "/push/" + id,
		P256dh: base64.RawURLEncoding.EncodeToString(k.PublicKey().Bytes()), Auth: base64.RawURLEncoding.EncodeToString(s.auth),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs[id] = s
	return s
}

// ID is the subscription's address as Behave is told it.
func (s *Subscription) ID() string { return path.Base(s.Address.Endpoint) }

func (w *WebPush) serve(rw http.ResponseWriter, r *http.Request) {
	body := w.take(r)
	id := path.Base(r.URL.Path)
	b := w.next(r, id)
	w.mu.Lock()
	sub := w.subs[id]
	w.mu.Unlock()
	if sub == nil {
		rw.WriteHeader(http.StatusGone)
		return
	}
	text, err := sub.decrypt(body)
	if err != nil {
		w.fault(err.Error())
	}
	w.saw(text)
	if err := w.check(r); err != nil {
		w.fault(err.Error())
	}
	if b.After != "" {
		rw.Header().Set("Retry-After", b.After)
	}
	if b.Status == 0 || b.Status < 300 {
		n := 1
		if b.Drop {
			n = 0
		} else if b.Duplicate {
			n = 2
		}
		for range n {
			sub.Got <- Message{Header: r.Header.Clone(), Text: text, Length: len(body)}
		}
	}
	if b.Status == 0 {
		b.Status = http.StatusCreated
	}
	rw.WriteHeader(b.Status)
}

// check looks at the headers (RFC 8030, section 5) and at who sends (RFC 8292).
func (w *WebPush) check(r *http.Request) error {
	ttl, err := strconv.Atoi(r.Header.Get("TTL"))
	topic := r.Header.Get("Topic")
	switch {
	case r.Method != http.MethodPost, r.Header.Get("Content-Encoding") != "aes128gcm":
		return errors.New("not an encrypted push")
	case err != nil, ttl < 1, ttl > 3600:
		return fmt.Errorf("TTL %q", r.Header.Get("TTL"))
	case r.Header.Get("Urgency") != "high":
		return fmt.Errorf("urgency %q", r.Header.Get("Urgency"))
	case topic == "" || len(topic) > 32 || strings.Trim(topic, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return fmt.Errorf("topic %q", topic)
	}
	vapid, ok := strings.CutPrefix(r.Header.Get("Authorization"), "vapid ")
	token, key, found := strings.Cut(vapid, ", k=")
	token, named := strings.CutPrefix(token, "t=")
	if !ok || !found || !named {
		return errors.New("no VAPID")
	}
	raw, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return err
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	text, err := jws.Verify(public)
	if err != nil {
		return fmt.Errorf("VAPID: %w", err)
	}
	w.saw(text)
	var c struct {
		Aud string `json:"aud"`
		Exp int64  `json:"exp"`
		Sub string `json:"sub"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	left := time.Until(time.Unix(c.Exp, 0))
	sub, err := url.Parse(c.Sub)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.Aud != w.srv.URL:
		return fmt.Errorf("VAPID for %q", c.Aud)
	case left <= 0 || left > 24*time.Hour:
		return fmt.Errorf("VAPID for %s", left)
	case err != nil, sub.Scheme != "https" && sub.Scheme != "mailto":
		return fmt.Errorf("VAPID subject %q", c.Sub)
	case w.Key != "" && w.Key != key:
		return errors.New("another VAPID key than before")
	}
	w.Key = key
	return nil
}

// decrypt opens a body of one record (RFC 8188, RFC 8291).
func (s *Subscription) decrypt(body []byte) ([]byte, error) {
	const head = 16 + 4 + 1
	if len(body) < head || len(body) < head+int(body[20]) {
		return nil, errors.New("body too short")
	}
	salt, size, theirs, sealed := body[:16], binary.BigEndian.Uint32(body[16:20]), body[head:head+int(body[20])], body[head+int(body[20]):]
	if uint64(len(sealed)) > uint64(size) {
		return nil, errors.New("more than one record")
	}
	public, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return nil, err
	}
	shared, err := s.private.ECDH(public)
	if err != nil {
		return nil, err
	}
	derive := func(secret, salt []byte, info string, n int) []byte {
		out, err := hkdf.Key(sha256.New, secret, salt, info, n)
		if err != nil {
			panic(err)
		}
		return out
	}
	ikm := derive(shared, s.auth, "WebPush: info\x00"+string(s.private.PublicKey().Bytes())+string(theirs), 32)
	block, err := aes.NewCipher(derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, derive(ikm, salt, "Content-Encoding: nonce\x00", 12), sealed, nil)
	if err != nil {
		return nil, err
	}
	// The last record's text ends with 2 and zeros.
	text = []byte(strings.TrimRight(string(text), "\x00"))
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, errors.New("no end of the record")
	}
	return text[:len(text)-1], nil
}
