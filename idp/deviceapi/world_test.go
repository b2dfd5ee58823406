package deviceapi_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/device"
	"hilum/idp/deviceapi"
	"hilum/idp/idptest"
	"hilum/idp/limit"
	"hilum/idp/live"
	"hilum/idp/login"
	"hilum/idp/password"
	"hilum/idp/serve"
	"hilum/idp/store"
	"hilum/idp/totp"
)

const (
	issuer = "https://login.example.net"
	vapid  = "BPublicKeyOfWebPush"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is the door on real parts, with a clock moved by hand.
type world struct {
	*testing.T
	url     string
	db      *store.DB
	flow    *login.Flow
	devices *device.Registry
	desk    *admin.Desk
	hub     *live.Hub
	pushed  chan idp.Push
	clock   atomic.Int64 // microseconds
}

func newWorld(t *testing.T, change ...func(*login.Rules)) *world {
	t.Helper()
	w := &world{T: t, hub: &live.Hub{}, pushed: make(chan idp.Push, 1000)}
	w.clock.Store(noon.UnixMicro())
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	db := idptest.Store(t, w.now, log)
	t.Cleanup(func() { // before it is closed
		if err := db.VerifyEvents(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	sealer := idptest.Sealer(t)
	push := func(ps ...idp.Push) {
		for _, p := range ps {
			w.pushed <- p
		}
	}
	hasher := password.New(password.Config{MemoryKiB: 8, Time: 1, QueueFor: time.Minute})
	w.db = db
	rules := login.Rules{SessionIdle: time.Hour, SessionAbsolute: 12 * time.Hour, Site: func() *idp.Site { return &idp.Site{Name: "Imaging", Label: "Imaging"} }, Issuer: issuer}
	for _, c := range change {
		c(&rules)
	}
	w.flow = login.New(login.Config{Store: db, Passwords: hasher, Sealer: sealer, Wake: w.hub.Wake, Push: push, Now: w.now, Log: log, Rules: rules})
	w.devices = device.New(device.Config{
		Store: db, Sealer: sealer, Hasher: hasher, Site: func() *idp.Site { return &idp.Site{Name: "Imaging", Label: "Imaging"} }, Issuer: issuer, Wake: w.hub.Wake, Push: push,
		Acceptable: func(a idp.PushAddress) error {
			if a.Type != idp.PushFCM || a.Token == "" {
				return idp.ErrInvalid
			}
			return nil
		},
		Now: w.now, Log: log,
	})
	w.desk = admin.New(admin.Config{Store: db, Now: w.now, Log: log})
	ending := make(chan struct{})
	api := deviceapi.New(deviceapi.Config{
		Issuer: issuer, Site: idp.Named("Imaging"), VAPIDKey: vapid, Devices: w.devices,
		Push: func() []deviceapi.Channel {
			return []deviceapi.Channel{{Type: idp.PushWeb, VAPIDKey: vapid, Hosts: []string{"*.push.example"}}, {Type: idp.PushFCM, ProjectID: "klinik", SenderID: "123456789012"}}
		},
		Logins: w.flow, Heartbeat: 50 * time.Millisecond, Ending: ending, Now: w.now, Log: log,
		Wait:  func(topics ...idp.Topic) deviceapi.Waiter { return w.hub.Wait(topics...) },
		Wrong: limit.NewAddresses(10, 100),
	})
	mux := http.NewServeMux()
	api.Mount(mux)
	srv := httptest.NewServer(serve.Handler(mux, serve.Config{Log: log}))
	t.Cleanup(func() { close(ending); srv.Close() })
	w.url = srv.URL
	return w
}

func (w *world) now() time.Time        { return time.UnixMicro(w.clock.Load()).UTC() }
func (w *world) later(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

const goodPassword = idp.Secret("quiet lamps hum at dawn")

// person is somebody with a password and a code-only device, signed in.
type person struct {
	*world
	id      idp.UserID
	name    string
	secret  string // base32
	browser login.Browser
	session *idp.Session
}

func (w *world) person(name string) *person {
	w.Helper()
	p := &person{world: w, name: name}
	u := &idp.User{Name: name}
	console := admin.Console("console:test")
	w.must(w.desk.AddUser(w.Context(), console, u))
	p.id = u.ID
	link, err := w.desk.Invite(w.Context(), console, u.ID, admin.ViaLink)
	w.must(err)
	p.browser = newBrowser()
	step, err := w.flow.StartInvitation(w.Context(), link.Token, p.browser)
	w.must(err)
	p.secret = step.Enrol.Offer.Secret
	_, _, err = w.flow.Enrol(w.Context(), step.ID, p.browser, login.EnrolForm{Password: goodPassword, Code: p.code()})
	w.must(err)
	p.collect(step.ID)
	return p
}

func newBrowser() login.Browser {
	return login.Browser{ID: idp.NewToken().Hash(), Address: "192.0.2.7", Agent: "Test/1"}
}

func (p *person) code() string {
	raw, err := decode32(p.secret)
	p.must(err)
	return totp.Code(raw, p.now())
}

// collect finishes a sign-in in the person's browser.
func (p *person) collect(id idp.LoginID) {
	p.Helper()
	a, err := p.flow.Collect(p.Context(), id, p.browser)
	p.must(err)
	p.browser.Session, p.browser.Known = a.Session, a.Known
	p.session, _, err = p.flow.Session(p.Context(), p.browser)
	p.must(err)
}

// asks begins a sign-in in a browser and gives the password.
func (p *person) asks(b login.Browser) *login.Step {
	p.Helper()
	step, err := p.flow.StartAccount(p.Context(), "security", b)
	p.must(err)
	step, err = p.flow.Password(p.Context(), step.ID, b, p.name, goodPassword)
	p.must(err)
	if step.State != idp.LoginFactor {
		p.Fatalf("at %s", step.State)
	}
	return step
}

// phone signs as an app does: by hand, so that it can sign wrongly.
type phone struct {
	*world
	key    *ecdsa.PrivateKey
	uv     *ecdsa.PrivateKey // its second key, where it has one
	id     string
	secret string
	n      int
}

func (w *world) phone() *phone {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	return &phone{world: w, key: key}
}

type claims = map[string]any

var b64 = base64.RawURLEncoding

// jwk is the public key as it stands in a header.
func jwk(k *ecdsa.PublicKey) claims {
	raw, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	return claims{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(raw[1:33]), "y": b64.EncodeToString(raw[33:])}
}

func (p *phone) header(op string) claims {
	h := claims{"alg": "ES256", "typ": op + "+jwt"}
	if op == "pair" {
		h["jwk"] = jwk(&p.key.PublicKey)
	} else {
		h["kid"] = p.id
	}
	return h
}

// with adds what every request has.
func (p *phone) with(c claims) claims {
	p.n++
	all := claims{"aud": issuer, "iat": p.now().Unix(), "jti": rand.Text()}
	maps.Copy(all, c)
	return all
}

func (p *phone) envelope(header, body claims, sign func([]byte) []byte) string {
	c, err := json.Marshal(body)
	p.must(err)
	return p.envelopeOf(header, c, sign)
}

// envelopeOf is an envelope of claims as they are.
func (p *phone) envelopeOf(header claims, c []byte, sign func([]byte) []byte) string {
	h, err := json.Marshal(header)
	p.must(err)
	signed := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return signed + "." + b64.EncodeToString(sign([]byte(signed)))
}

// raw signs as JOSE does: r and s, 32 bytes each.
func (p *phone) raw(text []byte) []byte {
	sum := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	p.must(err)
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

func (p *phone) sign(op string, c claims) string {
	return p.envelope(p.header(op), p.with(c), p.raw)
}

// reply is an answer of the door.
type reply struct {
	Status     int
	Error      string
	Detail     string
	State      string
	RetryAfter int    `json:"retry_after"`
	ServerTime int64  `json:"server_time"`
	VAPIDKey   string `json:"vapid_key"`
	Push       string
	PushDetail string `json:"push_detail"`
	Tag        string

	DeviceID   string `json:"device_id"`
	Account    string
	Issuer     string
	OTP        struct{ Secret string }
	Challenge  challenge
	Challenges []challenge
}

type challenge struct{ CID, Doc string }

func (c challenge) hash() string {
	sum := sha256.Sum256([]byte(c.Doc))
	return b64.EncodeToString(sum[:])
}

func (w *world) post(op, body string) reply {
	w.Helper()
	return w.postAs(op, body, "application/jose")
}

func (w *world) postAs(op, body, kind string) reply {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+"/device/v1/"+op, strings.NewReader(body))
	w.must(err)
	req.Header.Set("Content-Type", kind)
	res, err := http.DefaultClient.Do(req)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	r := reply{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &r); err != nil {
			w.Fatalf("%s: %s: %q", op, res.Status, text)
		}
	}
	r.Status = res.StatusCode
	if r.Status >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		w.Errorf("%s: %s", op, res.Header.Get("Content-Type"))
	}
	if (r.Status >= 400) != (r.Detail != "") {
		w.Errorf("%s: %d with the detail %q", op, r.Status, r.Detail)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		w.Errorf("%s may be stored", op)
	}
	return r
}

// wants posts and expects a status and an error.
func (w *world) wants(op, body string, status int, code string) reply {
	w.Helper()
	r := w.post(op, body)
	if r.Status != status || r.Error != code {
		w.Errorf("%s: %d %q, want %d %q", op, r.Status, r.Error, status, code)
	}
	return r
}

// pairCode is the pair parameter of an offer's link.
func (w *world) pairCode(uri string) string {
	w.Helper()
	u, err := url.Parse(uri)
	w.must(err)
	return u.Query().Get("pair")
}

// pairs scans an offer.
func (p *phone) pairs(code, name string, more claims) reply {
	p.Helper()
	c := claims{"pair": code, "name": name, "platform": "android", "app": "test/1"}
	maps.Copy(c, more)
	r := p.post("pair", p.sign("pair", c))
	if r.Status == http.StatusOK {
		p.id, p.secret = r.DeviceID, r.OTP.Secret
	}
	return r
}

// linked makes a phone and links it as a person does.
func (p *person) linked(name string, more claims) *phone {
	p.Helper()
	ph := p.phone()
	o, err := p.devices.StartPairing(p.Context(), p.session)
	p.must(err)
	r := ph.pairs(p.pairCode(o.URI), name, more)
	if r.Status != http.StatusOK {
		p.Fatalf("pairing: %+v", r)
	}
	if r = ph.answers(r.Challenge, "approve", nil); r.Status != http.StatusOK || r.State != "approved" {
		p.Fatalf("tapping Login: %+v", r)
	}
	return ph
}

func (p *phone) answers(c challenge, decision string, more claims) reply {
	p.Helper()
	return p.post("answer", p.answer(c, decision, more))
}

func (p *phone) answer(c challenge, decision string, more claims) string {
	all := claims{"cid": c.CID, "ch": c.hash(), "decision": decision}
	maps.Copy(all, more)
	return p.sign("answer", all)
}

func (p *phone) asked() []challenge {
	p.Helper()
	r := p.wants("challenges", p.sign("list", nil), http.StatusOK, "")
	return r.Challenges
}

// events reads a stream until it ends; a comment is an event of no name.
func (p *phone) listens(ctx context.Context) <-chan [2]string {
	p.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/device/v1/listen", nil)
	p.must(err)
	req.Header.Set("Authorization", "Device "+p.sign("listen", nil))
	res, err := http.DefaultClient.Do(req)
	p.must(err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		p.Fatalf("listen: %s", res.Status)
	}
	out := make(chan [2]string, 100)
	go func() { // ends with the stream
		defer close(out)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		name := ""
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				name = line[7:]
			case strings.HasPrefix(line, "data: "):
				out <- [2]string{name, line[6:]}
			}
		}
	}()
	return out
}
