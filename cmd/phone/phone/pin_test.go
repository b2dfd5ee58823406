package phone

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The second key is kept encrypted by the PIN, and comes back by no other.
func TestSecondKeyIsLockedByThePIN(t *testing.T) {
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	a := &Account{Name: "anna"}
	if _, err := a.unlock("1234"); err == nil {
		t.Error("unlocked although there is none")
	}
	if a.UVKey, err = lock(key, "1234"); err != nil {
		t.Fatal(err)
	}
	if got, err := a.unlock("1234"); err != nil {
		t.Error(err)
	} else if x, _ := json.Marshal(got); string(x) != string(must(t, key.MarshalJSON)) {
		t.Error("another key comes back")
	}
	for _, pin := range []string{"1235", "", "12345"} {
		if _, err := a.unlock(pin); err == nil || !strings.Contains(err.Error(), "not the PIN") {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
}

func must(t *testing.T, fn func() ([]byte, error)) []byte {
	t.Helper()
	b, err := fn()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A request that wants the PIN is approved by a phone that has one alone.
func TestRequestsThatWantThePIN(t *testing.T) {
	const text = `{"v":1,"cid":"c","purpose":"login","iss":"https://i","exp":100,"match":{"mode":"tap"},"must":["uv"]}`
	c := &Client{Account: &Account{Issuer: "https://i"}, Clock: func() time.Time { return time.Unix(50, 0) }}
	ch := &Challenge{CID: "c", Text: text}
	if _, err := c.Check(ch); err == nil || !strings.Contains(err.Error(), "PIN") {
		t.Errorf("without a second key: %v", err)
	}
	c.Account.UVKey = "x"
	if d, err := c.Check(ch); err != nil || !d.Verifies() {
		t.Errorf("with one: %+v, %v", d, err)
	}
	if _, err := c.Answer(t.Context(), ch, Decision{Approve: true}); err == nil || !strings.Contains(err.Error(), "PIN") {
		t.Errorf("approved without the PIN: %v", err)
	}
	ch.Text = strings.Replace(text, `["uv"]`, `["uv","hologram"]`, 1)
	if _, err := c.Check(ch); err != errNewer { //nolint:errorlint // it is this one
		t.Errorf("something else has to be understood: %v", err)
	}
}
