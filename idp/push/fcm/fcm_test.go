package fcm_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/file"
	"hilum/idp/idptest"
	"hilum/idp/push"
	"hilum/idp/push/fcm"
	"hilum/idp/push/pushtest"
)

// google is what a service account talks to: the token endpoint, which checks the
// assertion by the account's key, and the message service, which wants its token.
type google struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	key     *rsa.PublicKey
	tokens  int
	sent    []string // what was sent in earnest
	token   func(w http.ResponseWriter)
	message func(w http.ResponseWriter)
	hang    chan struct{}
}

func newGoogle(t *testing.T) *google {
	g := &google{t: t, hang: make(chan struct{})}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() { close(g.hang); g.CloseClientConnections(); g.Close() })
	return g
}

func (g *google) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	token, message, key := g.token, g.message, g.key
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/token" {
		g.mu.Lock()
		g.tokens++
		g.mu.Unlock()
		if token != nil {
			token(w)
			return
		}
		parts := strings.Split(r.FormValue("assertion"), ".")
		if len(parts) == 3 {
			sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
			signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
			if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil {
				// Nothing is asked for but to send messages: a key that leaks opens nothing else by us.
				claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
				var said struct{ Scope string }
				if err := json.Unmarshal(claims, &said); err != nil || said.Scope != "https://www.googleapis.com/auth/firebase.messaging" {
					g.t.Errorf("a token is asked for with scope %q (%v)", said.Scope, err)
				}
				fmt.Fprint(w, `{"access_token":"of-the-account","token_type":"Bearer","expires_in":3600}`)
				return
			}
		}
		status(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)(w)
		return
	}
	if r.Header.Get("Authorization") != "Bearer of-the-account" {
		status(401, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"no token"}}`)(w)
		return
	}
	var body struct {
		Dry     bool                   `json:"validate_only"`
		Message struct{ Token string } `json:"message"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	if message != nil {
		message(w)
		return
	}
	if body.Dry && body.Message.Token == "probe" {
		status(400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"not a valid FCM registration token"}}`)(w)
		return
	}
	g.mu.Lock()
	g.sent = append(g.sent, r.URL.Path+" "+body.Message.Token)
	g.mu.Unlock()
	fmt.Fprint(w, `{"name":"projects/klinik/messages/1"}`)
}

func status(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code); fmt.Fprint(w, body) }
}

// behave sets what is answered; nil: as it should be.
func (g *google) behave(token, message func(http.ResponseWriter)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token, g.message = token, message
}

// account makes a key of a service account, as Google hands it out.
func (g *google) account(project string) string {
	g.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		g.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.key = &key.PublicKey
	g.mu.Unlock()
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": project, "private_key_id": "1", "client_email": "push@" + project + ".iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), "token_uri": g.URL + "/token",
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whether the credentials would do is told without sending anything, and what is
// wrong with them by its cause.
func TestProbe(t *testing.T) {
	g := newGoogle(t)
	path := filepath.Join(t.TempDir(), "fcm.json")
	put(t, path, "\xef\xbb\xbf"+g.account("klinik")+"\n")
	ch, err := fcm.New(t.Context(), fcm.Config{Words: pushtest.Words, CredentialsFile: path, Endpoint: g.URL})
	if err != nil {
		t.Fatal(err)
	}
	hang := func(http.ResponseWriter) { <-g.hang }
	for why, c := range map[string]struct {
		token, message func(http.ResponseWriter)
		act            bool
		want           string // empty: all is well
	}{
		"good":                               {nil, nil, false, ""},
		"the account was deleted":            {status(400, `{"error":"invalid_grant","error_description":"Invalid grant: account not found"}`), nil, true, "revoked (400 invalid_grant Invalid grant: account not found)"},
		"another key":                        {status(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`), nil, true, "Invalid JWT Signature"},
		"401":                                {status(401, `{"error":"invalid_client"}`), nil, true, "401 invalid_client"},
		"403":                                {status(403, `<html>`), nil, true, "(403)"},
		"503":                                {status(503, ``), nil, false, "503"},
		"429":                                {status(429, ``), nil, false, "429"},
		"garbage":                            {status(200, `<html>proxy</html>`), nil, false, "no access token"},
		"no token in it":                     {status(200, `{}`), nil, false, "no access token"},
		"hangs":                              {hang, nil, false, "no access token"},
		"another project":                    {nil, status(403, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"not allowed"}}`), true, "is push.fcm.credentials_file of this project"},
		"no such project":                    {nil, status(404, `{"error":{"code":404,"status":"NOT_FOUND","message":"none"}}`), true, "push.fcm.project_id"},
		"the service wants no token of ours": {nil, status(401, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"no"}}`), true, "credentials"},
		"an answer that would be good":       {nil, status(200, `{"name":"x"}`), false, ""},
	} {
		g.behave(c.token, c.message)
		err := ch.Probe(t.Context())
		var retry *push.RetryError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", why, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, push.ErrCredentials) != c.act || errors.As(err, &retry) == c.act):
			t.Errorf("%s: %v, want %s", why, err, c.want)
		}
	}
	if len(g.sent) > 0 {
		t.Errorf("sent %q", g.sent)
	}
}

// Messages go out by the account's token, to its project; what is refused is told
// by its cause.
func TestSendByAccount(t *testing.T) {
	g := newGoogle(t)
	path := filepath.Join(t.TempDir(), "fcm.json")
	put(t, path, g.account("klinik"))
	ch, err := fcm.New(t.Context(), fcm.Config{Words: pushtest.Words, CredentialsFile: path, Endpoint: g.URL})
	if err != nil {
		t.Fatal(err)
	}
	send := func(ch *fcm.Channel) error {
		return ch.Send(t.Context(), idp.Push{Platform: "android", Address: idp.PushAddress{Type: idp.PushFCM, Token: "phone"}, Kind: idp.PushTest, ExpiresAt: time.Now().Add(time.Minute)})
	}
	if err := send(ch); err != nil || len(g.sent) != 1 || g.sent[0] != "/v1/projects/klinik/messages:send phone" {
		t.Fatal(err, g.sent)
	}
	g.behave(nil, status(403, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"x","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"SENDER_ID_MISMATCH"}]}}`))
	if err := send(ch); !errors.Is(err, push.ErrCredentials) || errors.Is(err, push.ErrGone) || !strings.Contains(err.Error(), "another Firebase project") { // the address is kept
		t.Errorf("of another project: %v", err)
	}
	// Without a token: revoked before the first message.
	put(t, path, g.account("klinik"))
	if ch, err = fcm.New(t.Context(), fcm.Config{Words: pushtest.Words, CredentialsFile: path, Endpoint: g.URL}); err != nil {
		t.Fatal(err)
	}
	g.behave(status(400, `{"error":"invalid_grant"}`), nil)
	if err := send(ch); !errors.Is(err, push.ErrCredentials) || !strings.Contains(err.Error(), "400 invalid_grant") {
		t.Errorf("revoked: %v", err)
	}
}

// What is wrong with the key shows in the figures before anybody is sent anything:
// at the start, when the file changes, and it goes away when it is mended.
func TestAlarmBeforeAnythingIsSent(t *testing.T) {
	g := newGoogle(t)
	path := filepath.Join(t.TempDir(), "fcm.json")
	var log idptest.Log
	logger := slog.New(slog.NewTextHandler(&log, nil))
	files := &file.Watcher{Log: logger}
	ch, err := fcm.New(t.Context(), fcm.Config{Words: pushtest.Words, CredentialsFile: path, Endpoint: g.URL, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	s := push.New(push.Config{Channels: map[idp.PushType]push.Channel{idp.PushFCM: ch}, Log: logger})
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	defer func() { end(); <-ended }()
	alarm := func(why, want string) {
		t.Helper()
		got := ""
		for range 500 {
			got = s.Figures()[0].Alarm
			if want == "" && got == "" || want != "" && strings.Contains(got, want) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("%s: the alarm is %q, want %q", why, got, want)
	}
	alarm("no file at the start", "no such file")
	put(t, path, `{"type":"authorized_user"}`)
	files.Look()
	alarm("of the wrong kind", "sign-in of a person")
	good := g.account("klinik")
	put(t, path, good)
	files.Look()
	alarm("mended", "")
	other := g.account("andere") // its public half is the one that is known now
	_ = other
	put(t, path, good+"\n")
	files.Look()
	alarm("revoked", "Invalid JWT Signature")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	files.Look()
	alarm("readable by all", "chmod 600")
	put(t, path, other)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	files.Look()
	alarm("another that is good", "")
	if got := s.Figures()[0]; got.Attempts != 0 || got.LastError == "" {
		t.Errorf("figures %+v", got)
	}
	text := log.String()
	if !strings.Contains(text, "the operator has to act") || !strings.Contains(text, "takes our credentials again") || strings.Contains(text, "PRIVATE") {
		t.Error(text)
	}
}

// A trial without credentials is never asked for any.
func TestTrialWithoutCredentials(t *testing.T) {
	g := newGoogle(t)
	ch, err := fcm.New(t.Context(), fcm.Config{Words: pushtest.Words, Endpoint: g.URL, ProjectID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Probe(t.Context()); err != nil || g.tokens != 0 {
		t.Error(err, g.tokens)
	}
	if _, err := fcm.New(t.Context(), fcm.Config{Words: pushtest.Words, CredentialsFile: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("without a file, and nobody who looks again")
	}
}
