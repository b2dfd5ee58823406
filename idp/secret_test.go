package idp_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"hilum/idp"
)

const plain = "k3eP-th1s"

// held is what holds secrets in this program: fields, pointers, lists, maps.
type held struct {
	One  idp.Secret
	Ptr  *idp.Secret
	List []idp.Secret
	Map  map[string]idp.Secret
	Any  any
}

func hold() held {
	s := idp.Secret(plain)
	return held{One: s, Ptr: &s, List: []idp.Secret{s}, Map: map[string]idp.Secret{"k": s}, Any: s}
}

func TestSecretIsNotPrinted(t *testing.T) {
	s := idp.Secret(plain)
	values := map[string]any{
		"value": s, "pointer": &s, "list": []idp.Secret{s}, "map": map[string]idp.Secret{"k": s},
		"struct": hold(), "nested": struct{ H held }{hold()},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%10v", "%.3s"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, plain) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", plain)) {
				t.Errorf("%s by %s: %s", name, verb, got)
			}
		}
		b, err := json.Marshal(v)
		if err != nil || bytes.Contains(b, []byte(plain)) || !bytes.Contains(b, []byte("[secret]")) {
			t.Errorf("%s in JSON: %s (%v)", name, b, err)
		}
		for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			log := slog.New(handler(&out))
			log.Info("m", "v", v, slog.Group("g", "v", v))
			log.With("v", v).Info("m")
			if strings.Contains(out.String(), plain) {
				t.Errorf("%s in the %s log: %s", name, kind, out.String())
			}
		}
	}
	for verb, want := range map[string]string{
		"%v": "[secret]", "%+v": "[secret]", "%#v": "[secret]", "%s": "[secret]", "%q": `"[secret]"`,
	} {
		if got := fmt.Sprintf(verb, s); got != want {
			t.Errorf("%s prints %s, want %s", verb, got, want)
		}
	}
	if got := fmt.Errorf("token %s: %w", s, idp.ErrNotFound).Error(); got != "token [secret]: not found" {
		t.Errorf("in an error: %s", got)
	}
	if s.Reveal() != plain {
		t.Errorf("Reveal: %q", s.Reveal())
	}
}

func TestNewToken(t *testing.T) {
	letters := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	seen := map[idp.Secret]bool{}
	for range 1000 {
		s := idp.NewToken()
		if !letters.MatchString(s.Reveal()) {
			t.Fatalf("token %q is not 43 letters of base64url", s.Reveal())
		}
		if raw, err := base64.RawURLEncoding.DecodeString(s.Reveal()); err != nil || len(raw) != 32 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		if seen[s] {
			t.Fatal("the same token twice")
		}
		seen[s] = true
	}
}

func TestSecretHash(t *testing.T) {
	if got, want := idp.Secret(plain).Hash(), idp.TokenHash(sha256.Sum256([]byte(plain))); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	// One letter less or more than a token of ours has, or one that is no letter.
	for _, v := range []string{strings.Repeat("a", 42), strings.Repeat("a", 44), "a.b" + strings.Repeat("a", 40)} {
		if got, want := idp.Secret(v).Hash(), idp.TokenHash(sha256.Sum256([]byte(v))); got != want {
			t.Errorf("%s: %x, want %x", v, got, want)
		}
	}
	if idp.Secret("").Hash().IsZero() {
		t.Error("the hash of nothing is no value at all")
	}
	if !(idp.TokenHash{}).IsZero() {
		t.Error("no value at all is a value")
	}
}

// What a hash begins with is when the token was made; the rest is its SHA-256,
// so that whoever knows the time knows nothing.
func TestTokensInTheOrderOfTime(t *testing.T) {
	before := time.Now().UnixMilli()
	token := idp.NewToken()
	after := time.Now().UnixMilli()
	h, sum := token.Hash(), sha256.Sum256([]byte(token.Reveal()))
	if !bytes.Equal(h[6:], sum[6:]) {
		t.Errorf("hash %x of a token whose SHA-256 is %x", h, sum)
	}
	if made := int64(binary.BigEndian.Uint64(append([]byte{0, 0}, h[:6]...))); made < before || made > after {
		t.Errorf("made at %d, says %d", before, made)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token.Reveal())
	if err != nil || !bytes.Equal(raw[:6], h[:6]) {
		t.Errorf("token %x, hash %x, %v", raw, h, err)
	}
	id := idp.NewID[idp.LoginID]()
	time.Sleep(2 * time.Millisecond)
	if later := idp.NewToken().Hash(); bytes.Compare(h[:], later[:]) >= 0 {
		t.Error("a later token sorts before")
	}
	if later := idp.NewID[idp.LoginID](); id >= later {
		t.Errorf("%s, then %s", id, later)
	}
}

func TestNewID(t *testing.T) {
	letters := regexp.MustCompile(`^[0-9A-V]{26}$`)
	seen := map[idp.UserID]bool{}
	for range 1000 {
		id := idp.NewID[idp.UserID]()
		if !letters.MatchString(string(id)) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
