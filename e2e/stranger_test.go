package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/cmd/phone/phone"
	"hilum/idp/push/pushtest"
)

// stranger is a phone that somebody else has written, in another language, from the
// published protocol alone (testdata/phone/phone.mjs): a program that is heardLine what to do.
type stranger struct {
	t      testing.TB
	in     io.Writer
	lines  chan heardLine
	events []heardLine // heard and not looked at yet
}

// heardLine is one line of a stranger: what a command brought, or an event of a stream.
type heardLine struct {
	Done   string // the command
	Fault  string
	Status int
	Type   string // Content-Type
	Retry  string // Retry-After
	Body   map[string]any

	Stream int
	Event  string
	Data   map[string]any
}

func (a heardLine) code() string { s, _ := a.Body["error"].(string); return s }

// newStranger starts the program, trusting what signed the provider's certificate.
func newStranger(t testing.TB, ca string) *stranger {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("Node.js is missing, 18 or newer: \"make needs\" installs it, on Debian the package nodejs")
	}
	cmd := exec.Command(node, filepath.Join("testdata", "phone", "phone.mjs"))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca)
	said := &tail{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &stranger{t: t, in: in, lines: make(chan heardLine, 1000)}
	ended := make(chan struct{})
	go func() { // ends with the program
		defer close(ended)
		defer close(s.lines)
		for r := bufio.NewScanner(out); r.Scan(); {
			var a heardLine
			if err := json.Unmarshal(r.Bytes(), &a); err != nil {
				a.Fault = r.Text()
			}
			s.lines <- a
		}
	}()
	t.Cleanup(func() {
		in.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
		}
		if err := cmd.Wait(); err != nil || said.String() != "" {
			t.Errorf("the phone ended with %v\n%s", err, said)
		}
	})
	return s
}

type args = map[string]any

// does has the phone do something, and returns what that brought.
func (s *stranger) does(what string, with args) heardLine {
	s.t.Helper()
	c := args{"do": what}
	maps.Copy(c, with)
	b := must[[]byte](s.t)(json.Marshal(c))
	if _, err := s.in.Write(append(b, '\n')); err != nil {
		s.t.Fatal(err)
	}
	for {
		a := s.next()
		if a.Done == what {
			if a.Fault != "" {
				s.t.Fatalf("%s: %s", what, a.Fault)
			}
			return a
		}
		s.events = append(s.events, a)
	}
}

func (s *stranger) next() heardLine {
	s.t.Helper()
	select {
	case a, ok := <-s.lines:
		if !ok {
			s.t.Fatal("the phone has ended")
		}
		return a
	case <-time.After(patience):
		s.t.Fatal("the phone says nothing")
	}
	return heardLine{}
}

// wants does something that has to bring a status, and an error where it names one.
func (s *stranger) wants(status int, code, what string, with args) heardLine {
	s.t.Helper()
	a := s.does(what, with)
	if a.Status != status || a.code() != code {
		s.t.Errorf("%s %v: %d %v, want %d %s", what, with, a.Status, a.Body, status, code)
	}
	if code != "" && (a.Type != "application/problem+json" || a.Body["detail"] == "") {
		s.t.Errorf("%s: %s %v", what, a.Type, a.Body)
	}
	return a
}

// hears waits for the next event of a stream.
func (s *stranger) hears(n int, event string) heardLine {
	s.t.Helper()
	for {
		for i, a := range s.events {
			if a.Stream == n {
				s.events = slices.Delete(s.events, i, i+1)
				if a.Event != event {
					s.t.Fatalf("the stream says %s %v, want %s", a.Event, a.Data, event)
				}
				return a
			}
		}
		s.events = append(s.events, s.next())
	}
}

// asked waits for the one request that the phone is shown, and returns it with its text read.
func (s *stranger) asked() (challenge, doc map[string]any) {
	s.t.Helper()
	a := s.wants(200, "", "list", args{"wait": 20})
	list, _ := a.Body["challenges"].([]any)
	if len(list) != 1 {
		s.t.Fatalf("asked %v", a.Body)
	}
	challenge, _ = list[0].(map[string]any)
	return challenge, docOf(s.t, challenge)
}

func docOf(t testing.TB, challenge map[string]any) (doc map[string]any) {
	t.Helper()
	text, _ := challenge["doc"].(string)
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("doc %q: %v", text, err)
	}
	return doc
}

// A phone that knows nothing of us but the published protocol does all that a phone does,
// and hears what it is said to hear where it does something else.
func TestStrangersPhone(t *testing.T) {
	t.Parallel()
	google := pushtest.NewFCM(t)
	s := newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_PUSH_MATCH=pick",
		"IDP_PUSH_FCM_ENDPOINT="+google.URL(), "IDP_PUSH_FCM_PROJECT_ID=test")
	s.launch(t)
	const redirect = "https://viewer.example/callback"
	id, secret := s.addClient(t, "Thorax Viewer", "--redirect-uri", redirect)
	rp := &party{
		t: t, issuer: s.issuer, id: id, secret: secret, redirect: redirect, scope: "openid",
		verifier: strings.Repeat("verifier-", 6), web: s.client, state: "state", nonce: "nonce", extra: url.Values{"prompt": {"login"}},
	}
	bert := s.invite(t, "bert")
	offer := func() string {
		t.Helper()
		at := bert.get(s.issuer + "/account/link")
		if at.url.Path != "/account/link" {
			at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
			bert.submit(at, "code-form", url.Values{"code": {bert.code()}})
		}
		return offerOn(t, bert.read(bert.web.PostForm(s.issuer+"/account/link", nil)))
	}
	over := func(more args) args { more["issuer"] = s.issuer; return more } // over TLS, although on loopback

	ph := newStranger(t, s.ca)
	site := ph.wants(200, "", "site", over(args{"idp": strings.TrimPrefix(s.issuer, "https://")}))
	if site.Body["issuer"] != s.issuer || site.Body["vapid_key"] == "" || site.Body["server_time"] == nil {
		t.Errorf("site: %v", site.Body)
	}
	limits, _ := site.Body["limits"].(map[string]any)
	services, _ := site.Body["push"].([]any)
	if limits["envelope"] != 8192.0 || limits["challenge"] != 120.0 || len(services) != 2 {
		t.Errorf("site: %v", site.Body)
	}
	if google, _ := services[1].(map[string]any); google["type"] != "fcm" || google["project_id"] != "test" {
		t.Errorf("push services: %v", services)
	}

	// Linking: the question comes with the answer, by list and by stream.
	link := offer()
	paired := ph.wants(200, "", "pair", over(args{"link": link, "claims": args{"push": args{"type": "webpush", "endpoint": "https://127.0.0.1/", "p256dh": "x", "auth": "x"}}}))
	if paired.Body["state"] != "pending" || paired.Body["account"] != "bert" || paired.Body["push"] != "refused" || paired.Body["push_detail"] == "" {
		t.Fatalf("paired: %v", paired.Body)
	}
	if again := ph.wants(200, "", "pair", over(args{"link": link})); again.Body["device_id"] != paired.Body["device_id"] {
		t.Errorf("the same key again: %v", again.Body)
	}
	thief := newStranger(t, s.ca)
	thief.wants(410, "pair_gone", "pair", over(args{"link": link}))
	ph.wants(200, "", "listen", args{"n": 1})
	linking := ph.hears(1, "challenge").Data
	if doc := docOf(t, linking); doc["purpose"] != "pair" || doc["iss"] != s.issuer || doc["account"] != "bert" {
		t.Errorf("linking asks %v", doc)
	}
	if a := ph.wants(200, "", "answer", args{"challenge": linking, "decision": "approve"}); a.Body["state"] != "approved" {
		t.Errorf("linking: %v", a.Body)
	}
	ph.hears(1, "linked")
	ph.hears(1, "end")
	if a := ph.wants(200, "", "list", nil); a.Body["state"] != "active" {
		t.Errorf("linked: %v", a.Body)
	}

	// An address for pushes, a new name.
	ph.wants(400, "bad_request", "push", args{"push": args{"type": "carrier pigeon"}})
	ph.wants(204, "", "push", args{"push": args{"type": "fcm", "token": "token:stranger"}})
	ph.wants(204, "", "rename", args{"name": "Fairphone 5"})
	ph.wants(400, "bad_request", "rename", args{"name": strings.Repeat("x", 41)})

	// Signing in: approved with the number that the browser shows.
	wait := func() *page {
		t.Helper()
		at := bert.get(rp.authorize())
		return bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	}
	at := wait()
	number := textOf(find(at.doc, byID("number")))
	challenge, doc := ph.asked()
	match, _ := doc["match"].(map[string]any)
	choices, _ := match["choices"].([]any)
	if doc["purpose"] != "login" || doc["app"] != "Thorax Viewer" || match["mode"] != "pick" || !slices.Contains(choices, any(number)) {
		t.Fatalf("asked %v, the browser shows %q", doc, number)
	}
	select {
	case m := <-google.Got:
		if m.Token != "token:stranger" || m.Data["t"] != "login" || m.Data["c"] != doc["cid"] {
			t.Errorf("pushed %+v", m)
		}
	case <-time.After(patience):
		t.Error("no push")
	}
	ph.wants(400, "bad_request", "answer", args{"challenge": challenge, "decision": "approve"})
	ph.wants(400, "bad_request", "answer", args{"challenge": challenge, "decision": "approve", "number": "1"})
	ph.wants(400, "bad_request", "answer", args{"challenge": challenge, "decision": "maybe"})
	ph.wants(404, "no_challenge", "answer", args{"challenge": args{"cid": challenge["cid"], "doc": "another text"}, "decision": "deny"})
	if a := ph.wants(200, "", "answer", args{"challenge": challenge, "decision": "approve", "number": number}); a.Body["state"] != "approved" {
		t.Errorf("approved: %v", a.Body)
	}
	if a := ph.wants(409, "already_answered", "answer", args{"challenge": challenge, "decision": "deny"}); a.Body["state"] != "approved" {
		t.Errorf("another mind: %v", a.Body)
	}
	if code := rp.answer(bert.submit(bert.get(at.url.String()), "phone-form", nil)); code == "" {
		t.Error("not signed in")
	}

	// A wrong number closes it, a denial is final, both by the stream.
	ph.wants(200, "", "listen", args{"n": 2})
	at = wait()
	number = textOf(find(at.doc, byID("number")))
	challenge = ph.hears(2, "challenge").Data
	wrong := "99"
	if number == wrong {
		wrong = "98"
	}
	ph.wants(403, "wrong_number", "answer", args{"challenge": challenge, "decision": "approve", "number": wrong})
	if gone := ph.hears(2, "gone").Data; gone["cid"] != challenge["cid"] || gone["why"] != "wrong" {
		t.Errorf("gone %v", gone)
	}
	wait()
	challenge = ph.hears(2, "challenge").Data
	if a := ph.wants(200, "", "answer", args{"challenge": challenge, "decision": "deny", "reason": "mistake"}); a.Body["state"] != "denied" {
		t.Errorf("denied: %v", a.Body)
	}
	ph.hears(2, "gone")
	ph.does("stop", args{"n": 2})
	ph.hears(2, "end")

	// «It wasn't me», after the approval too.
	at = wait()
	number = textOf(find(at.doc, byID("number")))
	challenge, _ = ph.asked()
	ph.wants(200, "", "answer", args{"challenge": challenge, "decision": "approve", "number": number})
	if a := ph.wants(200, "", "answer", args{"challenge": challenge, "decision": "deny", "reason": "not_me"}); a.Body["state"] != "denied" {
		t.Errorf("not me: %v", a.Body)
	}
	if at = bert.get(at.url.String()); find(at.doc, byID("phone-form")) != nil {
		t.Error("the browser may go on after «it wasn't me»")
	}

	// What is not as the page says.
	ph.wants(400, "bad_request", "raw", args{"path": "challenges", "typ": "list", "type": "application/json"})
	ph.wants(400, "bad_request", "raw", args{"path": "challenges", "typ": "unpair", "type": "application/jose"})
	ph.wants(400, "bad_request", "list", args{"claims": args{"aud": s.issuer + "/"}})
	ph.wants(400, "bad_request", "list", args{"claims": args{"jti": "short"}})
	ph.wants(400, "bad_request", "list", args{"as": args{"header": args{"alg": "none"}}})
	ph.wants(400, "bad_request", "list", args{"as": args{"header": args{"crit": []string{"b64"}}}})
	ph.wants(401, "invalid_device", "list", args{"as": args{"header": args{"kid": "nobody"}}})
	ph.wants(401, "invalid_device", "list", args{"as": args{"der": true}})
	ph.wants(400, "bad_request", "raw", args{"path": "rename", "typ": "rename", "type": "application/jose", "twice": true, "claims": args{"name": "Twice"}})
	ph.wants(413, "too_big", "raw", args{"path": "challenges", "type": "application/jose", "size": 8193})
	ph.wants(404, "unknown_operation", "get", args{"path": "nothing"})
	ph.wants(405, "unknown_operation", "get", args{"path": "pair"})
	ph.does("clock", args{"seconds": -1000})
	skewed := ph.wants(401, "clock_skew", "list", nil)
	if now, _ := skewed.Body["server_time"].(float64); time.Since(time.Unix(int64(now), 0)).Abs() > time.Minute {
		t.Errorf("clock_skew: %v", skewed.Body)
	}
	ph.does("clock", args{"seconds": 0})

	// Unlinked by itself, it hears so from then on; a phone that waits hears it at once.
	other := newStranger(t, s.ca)
	paired = other.wants(200, "", "pair", over(args{"link": offer()}))
	linking, _ = paired.Body["challenge"].(map[string]any)
	other.wants(200, "", "answer", args{"challenge": linking, "decision": "approve"})
	other.wants(200, "", "listen", args{"n": 1})
	ph.wants(204, "", "unpair", nil)
	ph.wants(410, "unlinked", "list", nil)
	if a := ph.wants(410, "unlinked", "listen", args{"n": 3}); a.Type != "application/problem+json" {
		t.Errorf("listen: %v", a)
	}
	// The phone that was unlinked had confirmed the session: that has to be confirmed anew.
	unlink := s.issuer + "/account/devices/" + paired.Body["device_id"].(string) + "/unlink"
	bert.submit(bert.read(bert.web.PostForm(unlink, nil)), "code-form", url.Values{"code": {bert.code()}})
	at = bert.read(bert.web.PostForm(unlink, nil))
	if at.status != http.StatusOK || !strings.Contains(at.url.Path, "/account/devices") {
		t.Fatalf("unlinking: %d at %s", at.status, at.url)
	}
	other.hears(1, "unlinked")
	other.hears(1, "end")
	other.wants(410, "unlinked", "list", nil)
}

// Where a fingerprint or PIN is wanted, the stranger's phone proves it by a second key, and
// a new phone takes the old one's place by its word; a step-up says what it confirms. The
// reference client does the same.
func TestPhonesVerifyAndMove(t *testing.T) {
	t.Parallel()
	s := newServe(t, "IDP_LIMITS_SIGN_IN_PER_MINUTE=0", "IDP_LIMITS_SIGN_IN_BURST=0", "IDP_PUSH_MATCH=strict", "IDP_PUSH_VERIFY=required")
	s.launch(t)
	bert := s.invite(t, "bert")
	at := bert.get(s.issuer + "/account/link")
	at = bert.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	bert.submit(at, "code-form", url.Values{"code": {bert.code()}})
	offer := func() string {
		t.Helper()
		return offerOn(t, bert.read(bert.web.PostForm(s.issuer+"/account/link", nil)))
	}
	old := newStranger(t, s.ca)
	paired := old.wants(200, "", "pair", args{"link": offer(), "issuer": s.issuer, "uv": true})
	linking, _ := paired.Body["challenge"].(map[string]any)
	old.wants(200, "", "answer", args{"challenge": linking, "decision": "approve"})

	// It can, and the page of devices says so.
	if at = bert.get(s.issuer + "/account/devices"); !strings.Contains(at.body, "Can ask for it") {
		t.Errorf("My devices:\n%s", at.body)
	}
	fresh := *bert
	fresh.web = newBrowser(t)
	fresh.web.Transport = s.client.Transport
	at = fresh.get(s.issuer + "/account/security")
	at = fresh.submit(at, "password-form", url.Values{"username": {bert.name}, "password": {bert.password}})
	number := textOf(find(at.doc, byID("number")))
	challenge, doc := old.asked()
	if must, _ := doc["must"].([]any); len(must) != 1 || must[0] != "uv" {
		t.Errorf("asked %v", doc)
	}
	old.wants(403, "uv_required", "answer", args{"challenge": challenge, "decision": "approve", "number": number})
	old.wants(200, "", "answer", args{"challenge": challenge, "decision": "approve", "number": number, "uv": true})
	if at = fresh.submit(fresh.get(at.url.String()), "phone-form", nil); at.url.Path != "/account/security" {
		t.Errorf("signed in at %s", at.url)
	}

	// The reference client takes its place.
	link := must[*phone.Link](t)(phone.ParseLink(offer()))
	link.Issuer = s.issuer // over TLS, although on loopback
	file := must[*phone.File](t)(phone.OpenFile(filepath.Join(t.TempDir(), "keys.json")))
	next := must[*phone.Client](t)(phone.Pair(t.Context(), phone.Pairing{Link: link, Name: "Terminal", Platform: "other", App: "e2e/1", PIN: "2580"}, s.client, file.Put))
	if _, err := next.Answer(t.Context(), next.Account.Waiting, phone.Decision{Approve: true}); err != nil {
		t.Fatal(err)
	}
	link = must[*phone.Link](t)(phone.ParseLink(offer()))
	link.Issuer = s.issuer
	newest := must[*phone.Client](t)(phone.Pair(t.Context(), phone.Pairing{Link: link, Name: "Newest", Platform: "other", App: "e2e/1", PIN: "1379", Replaces: next.Account}, s.client, file.Put))
	if _, err := newest.Answer(t.Context(), newest.Account.Waiting, phone.Decision{Approve: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Challenges(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "unlinked") {
		t.Errorf("the old phone hears %v", err)
	}
	old.wants(204, "", "unpair", nil)
	at = fresh.read(fresh.web.PostForm(s.issuer+"/account/devices/"+newest.Account.Device+"/unlink", nil))
	number = textOf(find(at.doc, byID("number")))
	list := must[[]phone.Challenge](t)(newest.Challenges(t.Context(), 20*time.Second))
	if len(list) != 1 {
		t.Fatalf("asked %v", list)
	}
	if d, err := newest.Check(&list[0]); err != nil || d.Purpose != "stepup" || d.Act.Key != "unlink" || d.Act.Name != "Newest" || d.Act.Text != "Unlink Newest" {
		t.Errorf("asked %s, %v", list[0].Text, err)
	}
	for pin, want := range map[string]string{"": "approved with the PIN", "2580": "not the PIN"} {
		if _, err := newest.Answer(t.Context(), &list[0], phone.Decision{Approve: true, Number: number, PIN: pin}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
	if state, err := newest.Answer(t.Context(), &list[0], phone.Decision{Approve: true, Number: number, PIN: "1379"}); err != nil || state != "approved" {
		t.Errorf("with the PIN: %s, %v", state, err)
	}
}
