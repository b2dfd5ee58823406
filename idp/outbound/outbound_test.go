package outbound_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hilum/idp/outbound"
)

func TestAllowed(t *testing.T) {
	home := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	for address, ok := range map[string]bool{
		"93.184.215.14:443": true, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443": true, "10.1.2.3:443": true, "[::ffff:10.1.2.3]:443": true,
		"10.2.0.1:443": false, "127.0.0.1:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "169.254.169.254:80": false,
		"172.16.0.1:443": false, "192.168.1.1:443": false, "100.64.0.1:443": false, "0.0.0.0:443": false, "[::]:443": false,
		"[fe80::1%eth0]:443": false, "[fd00::1]:443": false, "[64:ff9b::7f00:1]:443": false, "[2002:7f00:1::]:443": false, "224.0.0.1:443": false,
		"255.255.255.255:443": false, "198.18.0.1:443": false, "[ff02::1]:443": false, "example.org:443": false, "": false,
	} {
		if err := outbound.Allowed(address, home); (err == nil) != ok || err != nil && !errors.Is(err, outbound.ErrForbidden) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestClient(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 200_000)) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/long", http.StatusFound) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); panic(http.ErrAbortHandler) })
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	get := func(c outbound.Config, url string) (*http.Response, error) {
		c.Roots = roots
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return outbound.New(c).Do(req)
	}
	closed := func(res *http.Response, err error) error {
		if res != nil {
			res.Body.Close()
		}
		return err
	}
	if err := closed(get(outbound.Config{}, srv.URL+"/long")); !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("loopback: %v", err)
	}
	if err := closed(get(outbound.Config{}, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)+"/long")); !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("a name for loopback: %v", err)
	}
	if err := closed(get(outbound.Config{Private: loopback}, strings.Replace(srv.URL, "https", "http", 1)+"/long")); !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("plain http: %v", err)
	}
	plain := httptest.NewServer(mux)
	defer plain.Close()
	for address, ok := range map[string]bool{plain.URL + "/long": true, strings.Replace(plain.URL, "127.0.0.1", "localhost", 1) + "/long": true, "http://192.0.2.1/": false, "ftp://127.0.0.1/": false} {
		anywhere := append(loopback, netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::1/128"))
		if err := closed(get(outbound.Config{Private: anywhere, Plain: true}, address)); (err == nil) != ok || err != nil && !errors.Is(err, outbound.ErrForbidden) {
			t.Errorf("%s without TLS: %v", address, err)
		}
	}
	if err := closed(get(outbound.Config{Plain: true}, plain.URL+"/long")); !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("plain http here, which is not named: %v", err)
	}
	res, err := get(outbound.Config{Private: loopback}, srv.URL+"/long")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || len(text) != outbound.MaxBody {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	res, err = get(outbound.Config{Private: loopback}, srv.URL+"/away")
	if err := closed(res, err); err != nil || res.StatusCode != http.StatusFound {
		t.Errorf("a redirect: %v %v", res, err)
	}
	if err := closed(get(outbound.Config{Private: loopback, Timeout: 50 * time.Millisecond}, srv.URL+"/slow")); err == nil {
		t.Error("a server that hangs is waited for")
	}
}
