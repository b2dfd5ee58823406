package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hilum/config"
	"hilum/idp"
	"hilum/idp/mail"
	"hilum/idp/mail/mailtest"
)

// A new password of the mail server is used for the next letter, without a restart;
// while its file cannot be used the one of before is. The same for the authorities.
func TestMailGoesByWhatTheFilesHoldNow(t *testing.T) {
	old, stopOld, err := mailtest.Start(mailtest.Conf{TLS: "starttls", Username: "idp", Password: "alt"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopOld)
	fresh, stopFresh, err := mailtest.Start(mailtest.Conf{TLS: "starttls", Username: "idp", Password: "neu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopFresh)
	dir := t.TempDir()
	password, authorities := filepath.Join(dir, "mail"), filepath.Join(dir, "ca.pem")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(password, "\xef\xbb\xbfalt\r\n")
	put(authorities, string(old.PEM))
	conf := config.Default()
	conf.DataDir = dir
	conf.Mail = config.Mail{Host: "localhost", Port: old.Port, TLS: "starttls", CAFile: authorities, Username: "idp", PasswordFile: password, From: "login@klinik.test"}
	var log bytes.Buffer
	p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	said := func() idp.Unsent {
		t.Helper()
		err := sendNow(context.WithoutCancel(t.Context()), p.post, &idp.Letter{To: "anna@klinik.test", Subject: "Test", Text: "Test"})
		if r := (*mail.Refused)(nil); errors.As(err, &r) {
			return r.Said
		} else if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	step := func(why string, want idp.Unsent) {
		t.Helper()
		p.files.Look()
		p.files.Look()
		if got := said(); got != want {
			t.Errorf("%s: %q, want %q", why, got, want)
		}
	}
	step("as at the start", "")
	// The mail server is renewed: another password, another authority.
	s := *p.post.Load()
	s.Port = fresh.Port
	p.post.Store(&s)
	step("another server", idp.UnsentCertificate)
	put(authorities, "half of it")
	step("half of the new authority", idp.UnsentCertificate)
	put(authorities, string(fresh.PEM))
	step("the new authority", idp.UnsentLogin)
	put(password, "")
	step("the password half written", idp.UnsentLogin)
	if err := os.Remove(password); err != nil {
		t.Fatal(err)
	}
	step("and gone", idp.UnsentLogin)
	put(password, "neu\n")
	step("and there", "")
	for want, n := range map[string]int{"a changed file is in use": 2, "a file cannot be used": 3, "the first line of": 1, "no such file": 1} {
		if got := strings.Count(log.String(), want); got != n {
			t.Errorf("%q is said %d times, want %d:\n%s", want, got, n, &log)
		}
	}
	if strings.Contains(log.String(), "neu\n") || strings.Contains(log.String(), "alt") {
		t.Errorf("the log has a password:\n%s", &log)
	}
}

// The sealing key stays the one in use; that the next start would find another, or
// none, is said.
func TestSealingKeyIsLookedAt(t *testing.T) {
	conf := config.Default()
	conf.DataDir = t.TempDir()
	var log bytes.Buffer
	p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	key, err := os.ReadFile(conf.SealFile())
	if err != nil {
		t.Fatal(err)
	}
	other := config.Default()
	other.DataDir = t.TempDir()
	q, err := open(t.Context(), other, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	strange, err := os.ReadFile(other.SealFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, ""},
		{func() error { return os.WriteFile(conf.SealFile(), strange, 0o600) }, "is another than the one in use"},
		{func() error { return os.Remove(conf.SealFile()) }, "no such file"},
		{func() error { return os.WriteFile(conf.SealFile(), key, 0o600) }, "is as it was again"},
		{func() error { return os.Chmod(conf.SealFile(), 0o644) }, "chmod 600"},
		{func() error {
			return errors.Join(os.Chown(conf.SealFile(), -1, os.Getegid()), os.Chmod(conf.SealFile(), 0o640))
		}, "may read it too"},
	} {
		log.Reset()
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		p.files.Look()
		p.files.Look()
		if c.want == "" && log.Len() > 0 || !strings.Contains(log.String(), c.want) {
			t.Errorf("said %s, want %s", &log, c.want)
		}
		if strings.Contains(log.String(), "hilum-seal-key") {
			t.Error("the log has the key")
		}
	}
}

// A key of FCM that was revoked, or that cannot be read, shows in «idp health» and in
// the figures of the Health page, before a phone is asked.
func TestRevokedKeyOfFCMShows(t *testing.T) {
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"Invalid grant: account not found"}`)
	}))
	t.Cleanup(google.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "klinik", "client_email": "push@klinik.test", "token_uri": google.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
	})
	if err != nil {
		t.Fatal(err)
	}
	conf := config.Default()
	conf.DataDir = t.TempDir()
	conf.Push.FCM = config.FCM{CredentialsFile: filepath.Join(conf.DataDir, "fcm.json"), Endpoint: google.URL}
	for _, c := range []struct{ text, want string }{{string(account), "account not found"}, {"{", "is no JSON object"}} {
		if err := os.WriteFile(conf.Push.FCM.CredentialsFile, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		lines := p.push.probe(t.Context())
		if len(lines) != 1 || !strings.Contains(lines[0].words(), "the operator has to act: ") || !strings.Contains(lines[0].Said, c.want) || lines[0].Service != "fcm" {
			t.Errorf("idp health: %+v", lines)
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.sender.Run(ctx); close(ended) }()
		alarm := ""
		for range 500 {
			for _, f := range p.pushFigures() {
				if f.Type == idp.PushFCM {
					alarm = f.Alarm
				}
			}
			if alarm != "" {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		end()
		<-ended
		if !strings.Contains(alarm, c.want) {
			t.Errorf("the figures say %q, want %q", alarm, c.want)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What an application sent that was refused is on its page, in the provider as it is
// joined.
func TestRefusedRequestsAreKept(t *testing.T) {
	conf := config.Default()
	conf.DataDir = t.TempDir()
	p, err := open(t.Context(), conf, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	h, _, err := p.handler(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &idp.Client{Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: []string{"https://viewer.test/callback"}, GrantTypes: []string{idp.GrantCode}}
	if _, err := p.desk.AddClient(t.Context(), console(), c); err != nil {
		t.Fatal(err)
	}
	ask := func(r *http.Request) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := ask(httptest.NewRequest(http.MethodGet, "/authorize?client_id="+string(c.ID)+"&redirect_uri=https%3A%2F%2Fviewer.test%2Fother", nil)); code != http.StatusBadRequest {
		t.Fatal(code)
	}
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader("grant_type=authorization_code&code=x&client_id="+string(c.ID)+"&client_secret=geheim"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if code := ask(r); code != http.StatusUnauthorized {
		t.Fatal(code)
	}
	got := p.rejected.Of(c.ID)
	if len(got) != 2 || got[0].Reason != idp.RejectedMethod || got[0].Sent != "client_secret_post" || got[1].Sent != "https://viewer.test/other" || got[1].Registered[0] != c.RedirectURIs[0] {
		t.Errorf("%+v", got)
	}
}
