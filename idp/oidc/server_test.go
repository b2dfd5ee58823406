package oidc

import (
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// TestMain keeps the library's own log lines out of the results.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// TestEveryServerMethodIsDecided: an upgrade of the library that brings a
// method has to be looked at before it answers anybody.
func TestEveryServerMethodIsDecided(t *testing.T) {
	ours := []string{"VerifyClient", "DeviceAuthorization"}
	// Served by handlers of our own; the library's routes to them are not mounted.
	handled := []string{
		"Discovery", "Keys", "VerifyAuthRequest", "Authorize", "EndSession",
		"CodeExchange", "RefreshToken", "ClientCredentialsExchange", "TokenExchange", "DeviceToken", "Introspect", "UserInfo", "Revocation",
	}
	refused := []string{"JWTProfile", "Health", "Ready"}

	declared := func(name string) bool {
		m, ok := reflect.TypeFor[*Server]().MethodByName(name)
		return ok && !promoted(m)
	}
	server := reflect.TypeFor[op.Server]()
	for m := range server.Methods() {
		if m.PkgPath != "" {
			continue // mustImpl
		}
		switch {
		case slices.Contains(ours, m.Name):
			if !declared(m.Name) {
				t.Errorf("%s is said to be ours, and is not", m.Name)
			}
		case slices.Contains(handled, m.Name), slices.Contains(refused, m.Name):
			if declared(m.Name) {
				t.Errorf("%s is said not to be answered by the library's route, and is implemented", m.Name)
			}
		default:
			t.Errorf("%s is new: implement it or add it to a list here", m.Name)
		}
	}
}

// promoted reports whether a method of *Server comes from UnimplementedServer:
// such a method refuses whatever it is asked.
func promoted(m reflect.Method) bool {
	args := []reflect.Value{reflect.ValueOf(&Server{}), reflect.Zero(m.Type.In(1))}
	request := reflect.New(m.Type.In(2).Elem())
	fill(request.Elem())
	var err error
	func() {
		defer func() { _ = recover() }() // ours miss their parts here
		out := m.Func.Call(append(args, request))
		err, _ = reflect.TypeAssert[error](out[1])
	}()
	return err != nil && (strings.Contains(err.Error(), "not implemented") || strings.Contains(err.Error(), "not supported"))
}

// fill gives the pointers of a request something to point to.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Pointer && f.CanSet() {
			f.Set(reflect.New(f.Type().Elem()))
			if f.Elem().Kind() == reflect.Struct && v.Type().Field(i).Name == "Request" {
				fill(f.Elem())
			}
		}
	}
}

// TestLibraryServesOneEndpoint: its routes for health, discovery, tokens and the rest are not
// reachable.
func TestLibraryServesOneEndpoint(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/healthz", "/ready", "/keys", "/oauth/v2/keys", "/authorize/callback"} {
		if r := s.browser().get(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	lib := s.server.library()
	for _, path := range []string{pathAuthorize, pathEndSession, pathKeys, pathToken, pathUserinfo, pathIntrospect, pathRevoke} {
		if w := ask(lib, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("the library itself serves %s: %d", path, w.Code)
		}
	}
}

// TestMountsBesideOtherRoutes: nothing panics, and nothing of ours is shadowed.
func TestMountsBesideOtherRoutes(t *testing.T) {
	s := newSite(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /login/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", http.NotFound)
	s.server.Mount(mux)
	if w := ask(mux, "TRACE", pathAuthorize); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("%d", w.Code)
	}
}

func TestNewRefusesWhatIsUnsafe(t *testing.T) {
	s := newSite(t)
	good := s.server.conf
	for why, change := range map[string]func(*Config){
		"plain http":        func(c *Config) { c.Issuer = "http://idp.test" },
		"a slash":           func(c *Config) { c.Issuer = "https://idp.test/" },
		"a path and slash":  func(c *Config) { c.Issuer = "https://idp.test/realm/" },
		"a query":           func(c *Config) { c.Issuer = "https://idp.test?x" },
		"userinfo":          func(c *Config) { c.Issuer = "https://a@idp.test" },
		"no issuer":         func(c *Config) { c.Issuer = "" },
		"almost loopback":   func(c *Config) { c.Issuer = "http://127.0.0.1.evil.test" },
		"no store":          func(c *Config) { c.Store = nil },
		"no pages":          func(c *Config) { c.Pages = nil },
		"time running back": func(c *Config) { c.AccessTTL = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
	for _, issuer := range []string{"https://idp.test", "https://idp.test:8443", "http://localhost:8080", "http://[::1]:8080", "https://idp.test/realm"} {
		c := good
		c.Issuer = issuer
		if _, err := New(c); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}
