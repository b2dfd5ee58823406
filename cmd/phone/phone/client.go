package phone

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Client speaks for one account. Once that is linked several goroutines may use it,
// but not while the provider finds our clock wrong: Account.Offset is then set without
// a lock.
type Client struct {
	// Account changes while requests are made: Offset, Waiting and Pending. Who reads these
	// beside a Watch asks Now and Check.
	Account *Account
	HTTP    *http.Client         // nil: one that gives up after 40 s
	Clock   func() time.Time     // nil: the machine's
	Save    func(*Account) error // keeps what has changed of the account; nil: nothing is kept
	mu      sync.Mutex           // of what changes in Account; it is held while Save is called
}

// Doc is what the phone shows of a challenge.
type Doc struct {
	V          int    `json:"v"` // version of the protocol: 1
	CID        string `json:"cid"`
	Nonce      string `json:"nonce"`
	Purpose    string `json:"purpose"` // login, pair, stepup
	Issuer     string `json:"iss"`
	Account    string `json:"account"`
	App        string `json:"app"`
	IP         string `json:"ip"`
	Net        string `json:"net"`   // what the operator calls that address; empty: nothing
	Place      string `json:"place"` // empty: not known
	Browser    string `json:"browser"`
	OS         string `json:"os"`
	NewBrowser bool   `json:"new_browser"`
	// NewPassword: approving gives the account a new password.
	NewPassword bool  `json:"new_password"`
	At          int64 `json:"at"`  // seconds since 1970
	Exp         int64 `json:"exp"` // seconds since 1970
	Match       struct {
		Mode    string   `json:"mode"`    // tap, pick, type
		Choices []string `json:"choices"` // pick: numbers, one of which the browser shows
		Len     int      `json:"len"`     // type: digits of the number
	} `json:"match"`
	Must []string `json:"must"` // names of what has to be understood to approve
	Act  struct {
		Key  string `json:"key"`  // what a step-up confirms: password, recovery, link, unlink, administration; empty: not said
		Name string `json:"name"` // unlink: of the device
		Text string `json:"text"` // the same in the language of the account
	} `json:"act"`
}

// What this client knows of questions; one that needs more is not approved.
var (
	purposes = []string{"login", "pair", "stepup"}
	modes    = []string{"tap", "pick", "type"}

	errNewer = errors.New("the request is of a newer kind: update this app")
)

// mustVerify is the entry of Doc.Must by which an approval is signed by the second key.
const mustVerify = "uv"

// Verifies reports whether an approval needs the PIN.
func (d *Doc) Verifies() bool { return slices.Contains(d.Must, mustVerify) }

// Challenge is a question, with the text it came in: an answer signs the digest of that
// text.
type Challenge struct {
	CID  string `json:"cid"`
	Text string `json:"doc"`
}

// Doc reads a challenge. An error means that it must not be approved here.
func (c *Challenge) Doc() (*Doc, error) {
	var d Doc
	if err := json.Unmarshal([]byte(c.Text), &d); err != nil {
		return nil, fmt.Errorf("the request cannot be read: %w", err)
	}
	if d.V != 1 || !slices.Contains(purposes, d.Purpose) || !slices.Contains(modes, d.Match.Mode) ||
		slices.ContainsFunc(d.Must, func(name string) bool { return name != mustVerify }) {
		return nil, errNewer
	}
	if d.CID != c.CID {
		return nil, errors.New("the request is not what it says")
	}
	return &d, nil
}

// Decision is the person's answer.
type Decision struct {
	Approve bool
	Reason  string // of a denial: not_me, mistake or empty
	Number  string // of an approval: the one in the browser, where one is asked for
	PIN     string // of an approval: signs by the second key; empty: by the first
}

// Error is a problem document of the provider (RFC 9457).
type Error struct {
	Status     int    `json:"status"`      // of HTTP
	Code       string `json:"error"`       // docs/device-protocol.md lists them
	State      string `json:"state"`       // already_answered: of the challenge
	RetryAfter int    `json:"retry_after"` // seconds; 0: not said
	ServerTime int64  `json:"server_time"` // clock_skew: seconds since 1970
	Reference  string `json:"reference"`   // finds the line in the provider's log
}

func (e *Error) Error() string {
	if words, ok := words[e.Code]; ok {
		return words
	}
	return fmt.Sprintf("the provider answers %d %s (reference %s)", e.Status, e.Code, e.Reference)
}

// words are what a person is told, by Error.Code.
var words = map[string]string{
	"invalid_device":   "this site does not know this phone; forget the account by unpair --forget, or ask the site's administrator",
	"unlinked":         "this phone was unlinked; the account was removed from it",
	"pair_gone":        "this QR code was used, or is too old: get a new one",
	"uv_required":      "this has to be approved with the PIN",
	"bad_replaces":     "the site does not take that phone for one that this can replace",
	"wrong_number":     "that was not the number; the sign-in has to begin anew",
	"no_challenge":     "there is no such request",
	"already_answered": "it was answered already",
	"expired":          "it was answered too late",
	"withdrawn":        "nobody waits for the answer any more",
	"device_limit":     "five devices are linked already: unlink one first, or take the place of one",
	"last_device":      "this is the only linked device: link another one first, or ask the administrator",
	"clock_skew":       "this machine's clock is wrong",
}

func (c *Client) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return &http.Client{Timeout: 40 * time.Second}
}

// change has fn change the account and, where it reports that it has, keeps it. Errors:
// those of Save.
func (c *Client) change(fn func(*Account) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !fn(c.Account) || c.Save == nil {
		return nil
	}
	return c.Save(c.Account)
}

// Now is the provider's time, as far as it is known.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Account.Now(c.now())
}

// Sign makes the envelope of an operation, a JWS signed with ES256 (RFC 7515, compact):
// typ is its type without "+jwt", claims are those beside aud, iat and jti.
func (c *Client) Sign(typ string, claims map[string]any) (string, error) {
	return c.sign(typ, claims, c.Account.Key, c.Account.Device)
}

// sign is Sign by a key under the id kid.
func (c *Client) sign(typ string, claims map[string]any, by jose.JSONWebKey, kid string) (string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	all := map[string]any{
		"aud": c.Account.Issuer,
		"iat": c.Now().Unix(),
		"jti": base64.RawURLEncoding.EncodeToString(id[:]),
	}
	maps.Copy(all, claims)
	body, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ + "+jwt"))
	key := by.Key
	if typ == "pair" {
		opts.EmbedJWK = true
	} else {
		key = jose.JSONWebKey{Key: key, KeyID: kid}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opts)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(body)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// Post sends an envelope as it is to an operation, which op names as in its path. The
// caller closes the response.
func (c *Client) Post(ctx context.Context, op, envelope string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Account.Issuer+"/device/v1/"+op, strings.NewReader(envelope))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/jose")
	return c.http().Do(req)
}

// do signs a request, sends it and reads the answer into reply; nil: there is none to
// read. When the provider says that our clock is wrong, it does so once more by the
// provider's time. Errors: *Error, or those of the network.
func (c *Client) do(ctx context.Context, op, typ string, claims map[string]any, reply any) error {
	return c.doBy(ctx, op, reply, func() (string, error) { return c.Sign(typ, claims) })
}

// doBy is do for a request that sign signs.
func (c *Client) doBy(ctx context.Context, op string, reply any, sign func() (string, error)) error {
	for again := false; ; again = true {
		envelope, err := sign()
		if err != nil {
			return err
		}
		res, err := c.Post(ctx, op, envelope)
		if err != nil {
			return fmt.Errorf("%s cannot be reached: %w", c.Account.Issuer, err)
		}
		err = read(res, reply)
		if c.skewed(err) && !again {
			continue
		}
		return err
	}
}

// skewed reports whether err says that our clock is wrong, and keeps how far it is.
func (c *Client) skewed(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Code != "clock_skew" || e.ServerTime == 0 {
		return false
	}
	return c.change(func(a *Account) bool {
		a.Offset = e.ServerTime - c.now().Unix()
		return true
	}) == nil
}

const maxReply = 64 << 10 // bytes of an answer, or of a line of a stream

// read reads an answer into reply, unless that is nil, and closes it. Errors: *Error
// for a problem document.
func read(res *http.Response, reply any) error {
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		e := &Error{}
		if json.Unmarshal(text, e) != nil || e.Code == "" {
			return fmt.Errorf("the provider answers %s", res.Status)
		}
		e.Status = res.StatusCode
		return e
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(text, reply)
}

// Pairing says how a phone is to be linked: by a link, or by an issuer, an
// account and a short code.
type Pairing struct {
	Link     *Link
	Site     string // without Link: host, or URL, of the provider
	User     string // without Link: sign-in name
	Short    string // without Link: the code to be typed
	Name     string // of the phone
	Platform string // ios, android, web, other
	App      string // name and version of this client
	Push     any    // the phone's push address; nil: none
	// PIN protects a second key, for approvals that want one; empty: the phone has none.
	PIN string
	// Replaces is the account whose place this phone takes, at the same provider; nil: none.
	Replaces *Account
}

// Pair links a phone as far as the tap: it returns a client, in whose account the
// challenge waits that links it (Account.Waiting). keep is called before the provider
// hears anything, so that a key which was promised is never lost. An error comes with
// the client when the account was kept already; the caller has to forget it. Errors:
// *Error, or in words.
func Pair(ctx context.Context, p Pairing, hc *http.Client, keep func(*Account) error) (*Client, error) {
	a := &Account{Pending: true}
	claims := map[string]any{"name": p.Name, "platform": p.Platform, "app": p.App, "push": p.Push}
	if p.Link != nil {
		if p.Link.Pair == "" {
			return nil, errors.New("this is a plain code: it is for other apps")
		}
		a.Issuer, a.Name, a.Site = p.Link.Issuer, p.Link.Account, p.Link.Label
		claims["pair"] = p.Link.Pair
	} else {
		var err error
		_, host, ok := strings.Cut(p.Site, "://")
		if !ok {
			host = p.Site
		}
		if a.Issuer, err = issuerOf(host); err != nil {
			return nil, err
		}
		a.Name = p.User
		claims["account"], claims["short"] = p.User, p.Short
	}
	var err error
	if a.Key, err = newKey(); err != nil {
		return nil, err
	}
	if p.PIN != "" {
		second, err := newKey()
		if err != nil {
			return nil, err
		}
		claims["uv_jwk"] = second.Public()
		if a.UVKey, err = lock(second, p.PIN); err != nil {
			return nil, err
		}
	}
	if old := p.Replaces; old != nil {
		if old.Issuer != a.Issuer {
			return nil, fmt.Errorf("this is a code of %s, and the phone that is to be replaced is linked at %s", a.Issuer, old.Issuer)
		}
		thumbprint, err := a.Key.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		if claims["replaces"], err = (&Client{Account: old}).Sign("replace", map[string]any{"jkt": base64.RawURLEncoding.EncodeToString(thumbprint)}); err != nil {
			return nil, err
		}
	}
	c := &Client{Account: a, HTTP: hc, Save: keep}
	if err := c.change(func(*Account) bool { return true }); err != nil {
		return nil, err
	}
	return c, c.pair(ctx, claims)
}

// pair asks to be linked, and keeps what the provider gives the account. Errors: as do,
// and an answer in another issuer's name.
func (c *Client) pair(ctx context.Context, claims map[string]any) error {
	var reply struct {
		Device  string `json:"device_id"`
		Account string `json:"account"`
		Issuer  string `json:"issuer"`
		Site    string `json:"site"`
		OTP     struct {
			Secret string `json:"secret"`
			Digits int    `json:"digits"`
			Period int    `json:"period"`
		} `json:"otp"`
		Challenge  Challenge `json:"challenge"`
		VAPID      string    `json:"vapid_key"`
		ServerTime int64     `json:"server_time"`
	}
	if err := c.do(ctx, "pair", "pair", claims, &reply); err != nil {
		return err
	}
	if issuer := c.Account.Issuer; reply.Issuer != issuer || reply.Device == "" {
		return fmt.Errorf("%s answers for %q", issuer, reply.Issuer)
	}
	return c.change(func(a *Account) bool {
		a.Device, a.Name, a.VAPID = reply.Device, reply.Account, reply.VAPID
		a.Secret, a.Digits, a.Period = reply.OTP.Secret, reply.OTP.Digits, reply.OTP.Period
		if reply.Site != "" {
			a.Site = reply.Site
		}
		if off := reply.ServerTime - c.now().Unix(); off > 5 || off < -5 {
			a.Offset = off
		}
		a.Waiting = &reply.Challenge
		return true
	})
}

// Challenges lists what waits for an answer, oldest first; it waits for a first one up
// to wait, of which the provider takes whole seconds and 25 at most. Errors: *Error,
// those of the network.
func (c *Client) Challenges(ctx context.Context, wait time.Duration) ([]Challenge, error) {
	var reply struct {
		State      string      `json:"state"`
		Challenges []Challenge `json:"challenges"`
	}
	claims := map[string]any{}
	if wait > 0 {
		claims["wait"] = int(wait / time.Second)
	}
	if err := c.do(ctx, "challenges", "list", claims, &reply); err != nil {
		return nil, err
	}
	// Providers of before do not say the state: what was said Login to was linked.
	return reply.Challenges, c.linked(func(a *Account) bool { return reply.State == "active" || reply.State == "" && a.Waiting == nil })
}

// linked notes that the phone is linked, where it was not and is now.
func (c *Client) linked(is func(*Account) bool) error {
	return c.change(func(a *Account) bool {
		if !a.Pending || !is(a) {
			return false
		}
		a.Waiting, a.Pending = nil, false
		return true
	})
}

// Check reads a challenge as one for this account, still open. An error means
// that it must not be approved.
func (c *Client) Check(ch *Challenge) (*Doc, error) {
	d, err := ch.Doc()
	if err != nil {
		return nil, err
	}
	switch {
	case d.Verifies() && c.Account.UVKey == "":
		return nil, errors.New("the request wants a PIN, and this phone was linked without one: type a code in the browser")
	case d.Issuer != c.Account.Issuer:
		return nil, fmt.Errorf("the request is of %s", d.Issuer)
	case c.Now().Unix() >= d.Exp:
		return nil, errors.New("the request is too old")
	}
	return d, nil
}

// Answer tells the provider what the person has decided, and returns what has become of
// the challenge, "approved" or "denied". An approval is not sent when Check refuses the
// challenge. Errors: those of Check, and *Error, such as wrong_number or
// already_answered.
func (c *Client) Answer(ctx context.Context, ch *Challenge, d Decision) (state string, err error) {
	decision := "deny"
	if d.Approve {
		decision = "approve"
		doc, err := c.Check(ch)
		if err != nil {
			return "", err
		}
		if doc.Verifies() && d.PIN == "" {
			return "", errors.New(words["uv_required"])
		}
	}
	shown := sha256.Sum256([]byte(ch.Text))
	claims := map[string]any{"cid": ch.CID, "ch": base64.RawURLEncoding.EncodeToString(shown[:]), "decision": decision}
	if d.Reason != "" {
		claims["reason"] = d.Reason
	}
	if d.Number != "" {
		claims["number"] = d.Number
	}
	var reply struct {
		State string `json:"state"`
	}
	sign := func() (string, error) { return c.Sign("answer", claims) }
	if d.Approve && d.PIN != "" {
		second, err := c.Account.unlock(d.PIN)
		if err != nil {
			return "", err
		}
		sign = func() (string, error) { return c.sign("answer", claims, second, c.Account.Device+"#uv") }
	}
	if err := c.doBy(ctx, "answer", &reply, sign); err != nil {
		return "", err
	}
	linking := false
	err = c.change(func(a *Account) bool {
		if linking = a.Waiting != nil && a.Waiting.CID == ch.CID; linking {
			a.Waiting = nil
		}
		return linking
	})
	if err == nil && linking && d.Approve {
		// Whether it is linked by that, or the browser has to finish first. The answer
		// has come through all the same; where this does not, a later list says it.
		_, _ = c.Challenges(ctx, 0)
	}
	return reply.State, err
}

// SetPush tells the provider where pushes reach this phone; nil: nowhere. Errors:
// *Error, those of the network.
func (c *Client) SetPush(ctx context.Context, push any) error {
	return c.do(ctx, "push", "push", map[string]any{"push": push}, nil)
}

// Rename gives the phone another name, of 1 to 40 characters. Errors: *Error, those of
// the network.
func (c *Client) Rename(ctx context.Context, name string) error {
	return c.do(ctx, "rename", "rename", map[string]any{"name": name}, nil)
}

// Unpair unlinks the phone. Errors: *Error, last_device for the person's only device;
// those of the network.
func (c *Client) Unpair(ctx context.Context) error { return c.do(ctx, "unpair", "unpair", nil, nil) }

// Thumbprint tells the keys of accounts apart: the first 8 bytes of the SHA-256 of the
// public point's coordinates, base64url; empty without a key. It is not that of RFC
// 7638.
func (a *Account) Thumbprint() string {
	k, ok := a.Key.Key.(*ecdsa.PrivateKey)
	if !ok {
		return ""
	}
	raw, err := k.PublicKey.Bytes()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(bytes.TrimPrefix(raw, []byte{4}))
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}
