package webpush

import (
	"crypto/ecdsa"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How long a token is good, and when another one is made. A push service takes none
// that is good for more than a day (RFC 8292, section 2); half of one leaves room for
// clocks that are hours apart in either direction. One is used many times, so that
// services can keep what they found out about it (section 5).
const (
	tokenFor   = 12 * time.Hour
	tokenRenew = 6 * time.Hour
)

// tokens say to push services who sends (RFC 8292): one for each origin, because a token
// is good at no other.
type tokens struct {
	signer  jose.Signer
	public  string // base64url
	subject string // a URI
	now     func() time.Time

	mu sync.Mutex
	of map[string]token // by origin
}

// token is a signed token and when it was made.
type token struct {
	text string
	at   time.Time
}

// maxTokens bounds how many origins have a token that is kept: those of the list of
// hosts are few, but "*.example.org" is many.
const maxTokens = 100

func newTokens(key *ecdsa.PrivateKey, public, subject string, now func() time.Time) (*tokens, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	return &tokens{signer: signer, public: public, subject: subject, now: now, of: map[string]token{}}, nil
}

// header is the Authorization of a message to an endpoint (RFC 8292, section 3).
func (t *tokens) header(endpoint *url.URL) (string, error) {
	origin := endpoint.Scheme + "://" + endpoint.Host
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	have, ok := t.of[origin]
	// A clock that was set back makes one anew, too: what it was signed by is not known.
	if age := now.Sub(have.at); !ok || age < 0 || age >= tokenRenew {
		claims, err := json.Marshal(map[string]any{"aud": origin, "exp": now.Add(tokenFor).Unix(), "sub": t.subject})
		if err != nil {
			return "", err
		}
		jws, err := t.signer.Sign(claims)
		if err != nil {
			return "", err
		}
		if have.text, err = jws.CompactSerialize(); err != nil {
			return "", err
		}
		have.at = now
		if len(t.of) >= maxTokens {
			clear(t.of)
		}
		t.of[origin] = have
	}
	return "vapid t=" + have.text + ", k=" + t.public, nil
}

// bearer sends a request with a token of ours in place of the library's: that one signs
// anew for each message, for a time of its own choice.
type bearer struct {
	client *http.Client
	tokens *tokens
}

func (b bearer) Do(r *http.Request) (*http.Response, error) {
	header, err := b.tokens.header(r.URL)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", header)
	return b.client.Do(r) //nolint:gosec // to an address of a push service: the client refuses all others
}
