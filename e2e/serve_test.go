package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"hilum/e2e/crowd"
	"hilum/idp/idptest"
)

// served is an idp serve over TLS, as an operator would run it.
type served struct {
	issuer string
	env    []string
	data   string // its folder
	home   crowd.Home
	ca     string // file of the authority that signed its certificate
	client *http.Client
	setup  string // the set-up link it printed

	cmd       *exec.Cmd
	out, errs *tail
	done      chan error // what it ended with
}

// ports are those of the tests here.
var ports = idptest.Ports{From: 12000, To: 19999}

// freePort returns a loopback port that was free a moment ago.
func freePort(t testing.TB) string {
	t.Helper()
	return must[string](t)(ports.Free())
}

// newServe makes ready for idp serve on a folder of its own, with more of the
// environment if need be; launch starts it.
func newServe(t testing.TB, env ...string) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{data: filepath.Join(dir, "data"), ca: filepath.Join(dir, "ca.pem")}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := writeCertificates(t, s.ca, cert, key)
	port := freePort(t)
	s.issuer = "https://localhost:" + port
	s.env = append(os.Environ(), "IDP_ISSUER="+s.issuer, "IDP_LISTEN=127.0.0.1:"+port, "IDP_DATA_DIR="+s.data,
		"IDP_TLS_CERT_FILE="+cert, "IDP_TLS_KEY_FILE="+key)
	s.home = keptIn(t, s.data)
	s.env = append(append(s.env, databaseEnv(t, s.home)...), env...)
	s.client = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return s
}

// startServe runs idp serve on a folder of its own until the test ends.
func startServe(t testing.TB) *served {
	t.Helper()
	s := newServe(t)
	s.launch(t)
	for end := time.Now().Add(patience); s.setup == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.setup = regexp.MustCompile(`https://\S+/setup/\S+`).FindString(s.out.String())
	}
	return s
}

// launch runs idp serve until kill or the end of the test, and returns when it
// is ready.
func (s *served) launch(t testing.TB) {
	t.Helper()
	s.begin(t)
	s.ready(t)
}

// begin is launch that does not wait.
func (s *served) begin(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(idpBinary, "serve")
	s.cmd.Env = s.env
	s.out, s.errs = &tail{}, &tail{}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.errs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, done := s.cmd, make(chan error, 1)
	s.done = done
	go func() { done <- cmd.Wait() }() // ends with the process
	t.Cleanup(func() { s.stop(t, cmd) })
}

// ready waits until the provider is.
func (s *served) ready(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if res, err := s.client.Get(s.issuer + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("idp serve is not ready\n%s\n%s", s.out, s.errs)
		}
	}
}

// stop ends a process as an operator would, unless it was killed.
func (s *served) stop(t testing.TB, cmd *exec.Cmd) {
	if cmd != s.cmd {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case err := <-s.done:
		if err != nil || strings.Contains(s.errs.String(), "DATA RACE") {
			t.Errorf("idp serve ended with %v\n%s", err, s.errs)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Errorf("idp serve did not end\n%s", s.errs)
	}
}

// kill ends it as a power cut would: at once, with whatever it was about.
func (s *served) kill(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-s.done
	s.cmd = nil
	if log := s.errs.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		t.Errorf("idp serve complained before its end:\n%s", log)
	}
}

// idp runs a command beside the provider.
func (s *served) idp(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, idpBinary, args...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("idp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// addClient registers an application and returns its credentials.
func (s *served) addClient(t testing.TB, args ...string) (id, secret string) {
	t.Helper()
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	out := s.idp(t, append([]string{"client", "add", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c.ID, c.Secret
}

// invite makes a person who has gone through their invitation.
func (s *served) invite(t testing.TB, name string, args ...string) *person {
	t.Helper()
	return invited(t, s.idp(t, append([]string{"invite", name}, args...)...), name, s.client.Transport)
}

// invited goes through the invitation that a command has printed, and then to
// a workstation where nobody is signed in.
func invited(t testing.TB, printed, name string, transport http.RoundTripper) *person {
	t.Helper()
	link := regexp.MustCompile(`https?://\S+/invite/\S+`).FindString(printed)
	p := &person{t: t, web: newBrowser(t), name: name, password: "slow-amber-river-42"}
	p.web.Transport = transport
	p.enrol(link)
	p.elsewhere()
	return p
}

func writeCertificates(t testing.TB, caFile, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	caKey := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER := must[[]byte](t)(x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey))
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER := must[[]byte](t)(x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey))
	write(caFile, "CERTIFICATE", caDER)
	write(certFile, "CERTIFICATE", leafDER)
	write(keyFile, "PRIVATE KEY", must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key)))
	pool := x509.NewCertPool()
	pool.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(caDER)))
	return pool
}
