package page

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/idp/web/webtest"
)

// nobody is signed in, ever.
type nobody struct{}

func (nobody) Session(context.Context, login.Browser) (*idp.Session, *idp.User, error) {
	return nil, nil, idp.ErrNotFound
}
func (nobody) Knows(context.Context, login.Browser) (bool, error) { return false, nil }
func (nobody) StartAccount(context.Context, string, login.Browser) (*login.Step, error) {
	return nil, idp.ErrNotFound
}
func (nobody) StartStepUp(context.Context, *idp.Session, string, []byte, login.Browser) (*login.Step, error) {
	return nil, idp.ErrNotFound
}

func testConfig() Config {
	return Config{
		Words: webtest.Words(), Site: idp.Named("Imaging"), Origin: "https://idp.example", CookieKey: bytes.Repeat([]byte{7}, 32), Sessions: nobody{},
		SessionAbsolute: 12 * time.Hour, Log: slog.New(slog.DiscardHandler),
	}
}

func TestUnsafeConfigurationIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"short cookie key":    func(c *Config) { c.CookieKey = c.CookieKey[:16] },
		"no cookie key":       func(c *Config) { c.CookieKey = nil },
		"endless sessions":    func(c *Config) { c.SessionAbsolute = 0 },
		"origin with no host": func(c *Config) { c.Origin = "https:///x" },
		"origin that is none": func(c *Config) { c.Origin = "idp" },
	} {
		c := testConfig()
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A fault has its sentence: its own, that of several, or where there is none a general one.
func TestFaultsHaveSentences(t *testing.T) {
	d, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]string{
		"client.scopes.bad": "client.scopes.bad", "client.scopes.many": "claims.wrong.many", "list.sort.bad": "list.unknown", "no.such.key": "problem.text",
	} {
		field, said, ok := d.FieldProblem(fmt.Errorf("saving: %w", &idp.FieldError{Field: "x", Message: message}))
		if !ok || field != "x" || said.Key != want {
			t.Errorf("%s of %q, %v; want %s", said.Key, field, ok, want)
		}
	}
	if _, _, ok := d.FieldProblem(idp.ErrNotFound); ok {
		t.Error("what is about no field has one")
	}
}
