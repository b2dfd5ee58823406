package serve

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/idp/file"
)

// serveWith serves with a certificate for a key until the test ends, and returns where.
func serveWith(t *testing.T, key crypto.Signer) string {
	t.Helper()
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"localhost"},
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	log := slog.New(slog.DiscardHandler)
	cert, err := LoadCertificate(certFile, keyFile, &file.Watcher{Log: log}, log)
	if err != nil {
		t.Fatal(err)
	}
	addr, end := start(t, Config{TLS: cert, Log: log}, http.NotFoundHandler())
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return addr
}

// TestCipherSuites shakes hands by every suite that Go offers, for a certificate of either
// kind: ephemeral keys with an AEAD are accepted, all else is refused, whoever asks.
func TestCipherSuites(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	addrs := map[string]string{"RSA": serveWith(t, rsaKey), "ECDSA": serveWith(t, ec)}
	var accepted, refused int
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		for kind, addr := range addrs {
			t.Run(suite.Name+"/"+kind, func(t *testing.T) {
				conf := &tls.Config{InsecureSkipVerify: true, CipherSuites: []uint16{suite.ID}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
				want := strings.HasPrefix(suite.Name, "TLS_ECDHE_"+kind+"_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "_POLY1305_"))
				if slices.Contains(suite.SupportedVersions, tls.VersionTLS13) { // 1.3 has no list, and a certificate of either kind
					conf.CipherSuites, conf.MaxVersion, want = nil, tls.VersionTLS13, true
				}
				c, err := tls.Dial("tcp", addr, conf)
				if want != (err == nil) {
					t.Fatalf("accepted %t, want %t: %v", err == nil, want, err)
				}
				if err != nil {
					refused++
					return
				}
				accepted++
				state := c.ConnectionState()
				_ = c.Close()
				if state.Version == tls.VersionTLS12 && state.CipherSuite != suite.ID {
					t.Errorf("spoken is %s", tls.CipherSuiteName(state.CipherSuite))
				}
			})
		}
	}
	if accepted < 2*3+6 || refused < 20 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// TestRefusedHandshakesLeaveTheListener checks that a handshake by an old suite says
// nothing but that, and that the next caller is served.
func TestRefusedHandshakesLeaveTheListener(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveWith(t, ec)
	_, err = tls.Dial("tcp", addr, &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	})
	if err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("a suite with CBC: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	r, err := client.Post("https://"+addr+"/", "text/plain", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%s", tls.VersionName(r.TLS.Version))
	}
}
