package oidc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"hilum/idp/keyring"
	"hilum/idp/serve"
)

// turning is a key ring whose keys change.
type turning struct {
	*keyring.Ring
	version uint64
	keys    []keyring.Key
}

func (r *turning) Version() uint64       { return r.version }
func (r *turning) Public() []keyring.Key { return r.keys }

// publishing is a server with nothing but its published documents.
func publishing(keys Keys) http.Handler {
	s := &Server{conf: Config{Issuer: "https://idp.test", Keys: keys}}
	mux := http.NewServeMux()
	s.public(discovery).mount(mux, pathDiscovery)
	s.public(discovery).mount(mux, pathDiscoveryOAuth)
	s.public(signingKeys).mount(mux, pathKeys)
	return mux
}

func ask(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestKeysHavePublicPartsOnly(t *testing.T) {
	got := ask(publishing(ring()), "GET", pathKeys)
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(got.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	seen := map[any]bool{}
	for _, k := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if k[private] != nil {
				t.Errorf("a key is published with %q", private)
			}
		}
		if k["kid"] == "" || seen[k["kid"]] || k["use"] != "sig" || k["alg"] == "" {
			t.Errorf("key %v", k)
		}
		seen[k["kid"]] = true
	}
	if len(set.Keys) != 4 {
		t.Errorf("%d keys", len(set.Keys))
	}
}

func TestDocumentsAreCached(t *testing.T) {
	h := publishing(ring())
	for _, path := range []string{pathDiscovery, pathDiscoveryOAuth, pathKeys} {
		got := ask(h, "GET", path)
		etag := got.Header().Get("ETag")
		if got.Header().Get("Cache-Control") != "max-age=600" || got.Header().Get("Content-Type") != "application/json" || etag == "" {
			t.Errorf("%s: %v", path, got.Header())
		}
		if origin := got.Header().Get("Access-Control-Allow-Origin"); origin != "*" || got.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: scripts of any origin may read it, without cookies: %v", path, got.Header())
		}
		for _, match := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			if again := ask(h, "GET", path, "If-None-Match", match); again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != etag {
				t.Errorf("%s If-None-Match %s: %d", path, match, again.Code)
			}
		}
		if other := ask(h, "GET", path, "If-None-Match", `"other"`); other.Code != http.StatusOK {
			t.Errorf("%s with another ETag: %d", path, other.Code)
		}
	}
}

func TestDocumentsFollowTheKeys(t *testing.T) {
	keys := &turning{ring(), 1, ring().Public()[:1]}
	h := publishing(keys)
	before := ask(h, "GET", pathKeys)
	keys.keys = ring().Public()
	if same := ask(h, "GET", pathKeys); same.Body.String() != before.Body.String() {
		t.Error("remade without a new version")
	}
	keys.version++
	after := ask(h, "GET", pathKeys)
	if after.Body.String() == before.Body.String() || after.Header().Get("ETag") == before.Header().Get("ETag") {
		t.Error("a new version of the keys was not published")
	}
	if got := ask(h, "GET", pathDiscovery).Body.String(); !strings.Contains(got, `"EdDSA"`) {
		t.Error("the algorithm of a new key is not in discovery")
	}
}

func TestDocumentsKnowTheirMethods(t *testing.T) {
	h := publishing(ring())
	for _, path := range []string{pathDiscovery, pathDiscoveryOAuth, pathKeys} {
		if got := ask(h, "OPTIONS", path, "Origin", "https://any.test"); got.Code != http.StatusNoContent || got.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("OPTIONS %s: %d %v", path, got.Code, got.Header())
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "TRACE", "PATCH"} {
			if got := ask(h, method, path); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
				t.Errorf("%s %s: %d %v", method, path, got.Code, got.Header())
			}
		}
	}
}

func TestHeadOfDocuments(t *testing.T) {
	ts := httptest.NewServer(publishing(ring()))
	defer ts.Close()
	resp, err := http.Head(ts.URL + pathKeys)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength <= 0 || resp.Header.Get("ETag") == "" {
		t.Errorf("%d, %d bytes, %v", resp.StatusCode, resp.ContentLength, resp.Header)
	}
}

// TestDocumentsAreWhole: a document says how long it is, and is not sent in chunks, however
// long it has become.
func TestDocumentsAreWhole(t *testing.T) {
	ts := httptest.NewServer(publishing(ring()))
	defer ts.Close()
	for _, path := range []string{pathDiscovery, pathKeys} {
		resp, err := http.Get(ts.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.ContentLength != int64(len(body)) || len(resp.TransferEncoding) > 0 {
			t.Errorf("%s: %d bytes, said to be %d, %v, %v", path, len(body), resp.ContentLength, resp.TransferEncoding, err)
		}
	}
}

// BenchmarkPublished is what a published document costs on a connection that stays open,
// beside plain: a text of the same length that net/http sends without anything of ours.
func BenchmarkPublished(b *testing.B) {
	whole := serve.Handler(publishing(ring()), serve.Config{Log: slog.New(slog.DiscardHandler)})
	for _, of := range []struct{ name, path string }{{"discovery", pathDiscovery}, {"jwks", pathKeys}} {
		text := ask(whole, "GET", of.path).Body.Bytes()
		plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			_, _ = w.Write(text)
		})
		for _, h := range []struct {
			name string
			http.Handler
		}{{"ours", whole}, {"plain", plain}} {
			b.Run(of.name+"/"+h.name, func(b *testing.B) {
				ts := httptest.NewServer(h)
				defer ts.Close()
				c, err := net.Dial("tcp", ts.Listener.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				question, answers := []byte("GET "+of.path+" HTTP/1.1\r\nHost: idp.test\r\n\r\n"), bufio.NewReader(c)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Write(question); err != nil {
						b.Fatal(err)
					}
					skip(b, answers)
				}
			})
		}
	}
}

// skip reads one response, and keeps nothing of it.
func skip(b *testing.B, r *bufio.Reader) {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if len(line) == 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if _, err := r.Discard(length); err != nil || length == 0 {
		b.Fatal("no whole answer", err)
	}
}

func TestDiscoveryFollowsTheLanguages(t *testing.T) {
	offered := []string{"en"}
	s := &Server{conf: Config{Issuer: "https://idp.test", Keys: ring(), Languages: func() []string { return offered }}}
	says := func(want string) {
		t.Helper()
		p, err := s.publish()
		if err != nil || !strings.Contains(string(p.documents[discovery].body), `"ui_locales_supported":`+want) {
			t.Errorf("not %s: %s, %v", want, p.documents[discovery].body, err)
		}
	}
	says(`["en"]`)
	offered = []string{"en", "nl"}
	says(`["en","nl"]`)
	offered = []string{"fr"}
	says(`["fr"]`)
}
