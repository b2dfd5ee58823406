package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hilum/idp/file"
)

var quiet = slog.New(slog.DiscardHandler)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs a handler and returns how to end it.
func start(t *testing.T, c Config, h http.Handler) (addr string, end func() error) {
	t.Helper()
	c.Log = quiet
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c, h, l) }()
	t.Cleanup(cancel)
	return l.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestRunLetsRequestsUnderWayFinish(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	addr, end := start(t, Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		_, _ = io.WriteString(w, "whole")
	}))
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-began
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	for { // the listener closes at once, while the request goes on
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("the request under way was answered %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("a clean end returned %v", err)
	}
}

func TestRunReportsAListenerThatFails(t *testing.T) {
	l := listen(t)
	l.Close()
	if err := Run(t.Context(), Config{Log: quiet}, http.NotFoundHandler(), l); err == nil {
		t.Error("served on a closed listener")
	}
}

func TestHeadersAreBounded(t *testing.T) {
	addr, _ := start(t, Config{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for size, want := range map[int]string{8 << 10: "200 OK", 32 << 10: "431 Request Header Fields Too Large"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("a", size))
		line, _ := bufio.NewReader(c).ReadString('\n')
		c.Close()
		if !strings.Contains(line, want) {
			t.Errorf("%d bytes of header: %q, want %s", size, line, want)
		}
	}
}

// writePair writes a fresh self-signed certificate for 127.0.0.1.
func writePair(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	return writePairUntil(t, dir, serial, time.Now().Add(time.Hour))
}

func writePairUntil(t *testing.T, dir string, serial int64, until time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "hilum test"},
		NotAfter:     until,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	stamp := time.Now().Add(time.Duration(serial) * time.Minute) // a change that any file system shows
	for _, f := range []string{certFile, keyFile} {
		if err := os.Chtimes(f, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateIsTakenUpWhenItsFilesChange(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, 1)
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	w := &file.Watcher{Log: log}
	cert, err := LoadCertificate(certFile, keyFile, w, log)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, Config{TLS: cert}, http.NotFoundHandler())
	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	later := func() {
		for range 3 { // what is wrong is said once, however often it is looked at
			w.Look()
		}
	}
	if got := serial(); got != 1 {
		t.Fatalf("serves certificate %d", got)
	}
	writePair(t, dir, 2)
	if got := serial(); got != 1 {
		t.Errorf("the files are read at every handshake")
	}
	later()
	if got := serial(); got != 2 {
		t.Errorf("a changed certificate was not taken up: %d", got)
	}
	write(t, certFile, []byte("damaged"))
	later()
	if got := serial(); got != 2 {
		t.Errorf("with damaged files the last good certificate is to stay; got %d", got)
	}
	writePair(t, dir, 3)
	later()
	if got := serial(); got != 3 {
		t.Errorf("a mended certificate was not taken up: %d", got)
	}
	// Half of a renewal: the certificate of one with the key of another, then no key
	// at all, then one that everybody may read.
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, dir, 4)
	four, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, key)
	later()
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	later()
	write(t, keyFile, four)
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	later()
	if got := serial(); got != 3 {
		t.Errorf("half of a renewal is in use: %d", got)
	}
	if err := os.Chmod(keyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	later()
	if got := serial(); got != 4 {
		t.Errorf("a renewal that is whole was not taken up: %d", got)
	}
	for want, n := range map[string]int{"a changed file is in use": 3, "a file cannot be used": 4, "no certificate in PEM": 1, "does not belong": 1, "no such file": 1, "chmod 600": 1} {
		if got := strings.Count(said.String(), want); got != n {
			t.Errorf("%q is said %d times, want %d:\n%s", want, got, n, &said)
		}
	}
}

// A pair that has expired does not take the place of one that has not; where there
// is no other it serves, and is told of.
func TestExpiredCertificate(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	dir := t.TempDir()
	certFile, keyFile := writePairUntil(t, dir, 1, time.Now().Add(-time.Hour))
	w := &file.Watcher{Log: log}
	cert, err := LoadCertificate(certFile, keyFile, w, log)
	if err != nil || !strings.Contains(said.String(), "has expired") {
		t.Fatal(err, said.String())
	}
	serial := func() int64 { return cert.now.Load().Leaf.SerialNumber.Int64() }
	writePair(t, dir, 2)
	if w.Look(); serial() != 2 {
		t.Error("not renewed")
	}
	writePairUntil(t, dir, 3, time.Now().Add(-time.Hour))
	if w.Look(); serial() != 2 || !strings.Contains(said.String(), "the one in use has not") {
		t.Error("an expired one is in use:", said.String())
	}
}

func TestTLSIsNew(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	cert, err := LoadCertificate(certFile, keyFile, &file.Watcher{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, Config{TLS: cert}, http.NotFoundHandler())
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestUnreadableCertificateIsNamed(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	missing := filepath.Join(t.TempDir(), "none.pem")
	for name, files := range map[string][2]string{
		"certificate missing": {missing, keyFile},
		"key missing":         {certFile, missing},
		"files swapped":       {keyFile, certFile},
	} {
		if _, err := LoadCertificate(files[0], files[1], &file.Watcher{}, quiet); err == nil || !strings.Contains(err.Error(), files[0]) || !strings.Contains(err.Error(), files[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
