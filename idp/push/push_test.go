package push_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hilum/idp"
	"hilum/idp/outbound"
	"hilum/idp/push"
	"hilum/idp/push/fcm"
	"hilum/idp/push/pushtest"
	"hilum/idp/push/webpush"
)

// outcomes keeps what became of each message.
type outcomes struct {
	mu  sync.Mutex
	of  map[idp.ChallengeID]string
	all chan struct{}
}

func (o *outcomes) done(_ context.Context, p idp.Push, out idp.PushOutcome, why string) {
	o.mu.Lock()
	o.of[p.Challenge] = string(out) + " " + why
	o.mu.Unlock()
	o.all <- struct{}{}
}

func (o *outcomes) wait(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-o.all:
		case <-time.After(30 * time.Second):
			t.Fatal("a message has no outcome")
		}
	}
}

func (o *outcomes) get(id idp.ChallengeID) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of[id]
}

// running starts a sender that ends with the test.
func running(t *testing.T, c push.Config) (*push.Sender, *outcomes) {
	t.Helper()
	o := &outcomes{of: map[idp.ChallengeID]string{}, all: make(chan struct{}, 10_000)}
	c.Done, c.Log = o.done, slog.New(slog.NewTextHandler(t.Output(), nil))
	s := push.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the sender does not end")
		}
	})
	return s, o
}

func newWeb(t *testing.T) (*pushtest.WebPush, *webpush.Channel) {
	t.Helper()
	fake := pushtest.NewWebPush(t)
	return fake, webTo(t, time.Second, fake)
}

// webTo is a channel to push services; timeout is of each call.
func webTo(t *testing.T, timeout time.Duration, fakes ...*pushtest.WebPush) *webpush.Channel {
	t.Helper()
	private := make([]byte, 32)
	rand.Read(private)
	roots, hosts := x509.NewCertPool(), slices.Clone(webpush.Hosts)
	for _, fake := range fakes {
		roots.AppendCertsFromPEM(fake.PEM())
		hosts = append(hosts, fake.Host())
	}
	ch, err := webpush.New(webpush.Config{
		Client:  outbound.New(outbound.Config{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots, Timeout: timeout}),
		Private: private, Subject: "https://login.example.net", App: "https://login.example.net/app", Hosts: hosts, Words: pushtest.Words,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func message(a idp.PushAddress, kind idp.PushKind, ttl time.Duration) idp.Push {
	return idp.Push{
		User: "U", Device: idp.NewID[idp.DeviceID](), Tag: "tag-of-a-device", Platform: "android", Address: a, Kind: kind,
		Challenge: idp.NewID[idp.ChallengeID](), ExpiresAt: time.Now().Add(ttl),
	}
}

func TestWebPush(t *testing.T) {
	fake, ch := newWeb(t)
	s, out := running(t, push.Config{Channels: map[idp.PushType]push.Channel{idp.PushWeb: ch}, Timeout: time.Second})
	length := 0
	for _, kind := range []idp.PushKind{idp.PushLogin, idp.PushGone, idp.PushTest} {
		sub := fake.Subscribe()
		p := message(sub.Address, kind, time.Minute)
		if kind == idp.PushTest {
			p.Challenge = ""
		}
		s.Send(p)
		out.wait(t, 1)
		m := <-sub.Got
		if length != 0 && m.Length != length {
			t.Errorf("%s is %d bytes long, others %d", kind, m.Length, length)
		}
		length = m.Length
		var got struct {
			WebPush      int `json:"web_push"`
			Notification struct{ Title, Body, Navigate, Tag string }
			T, C, A      string
		}
		if err := json.Unmarshal(m.Text, &got); err != nil || got.WebPush != 8030 || got.T != string(kind) || got.C != string(p.Challenge) || got.A != p.Tag ||
			got.Notification.Title != "title of "+string(kind) || got.Notification.Body != "text of "+string(kind) || !strings.HasPrefix(got.Notification.Navigate, "https://login.example.net/app") || got.Notification.Tag == "" {
			t.Errorf("%s: %s, %v", kind, m.Text, err)
		}
	}

	for name, c := range map[string]struct {
		behave func(string, int) pushtest.Behaviour
		want   string // beginning of the outcome
		got    int    // messages that arrive
	}{
		"delivered": {nil, "delivered", 1},
		"dropped":   {always(pushtest.Behaviour{Drop: true}), "delivered", 0},
		"delayed":   {always(pushtest.Behaviour{Delay: 300 * time.Millisecond}), "delivered", 1},
		"twice":     {always(pushtest.Behaviour{Duplicate: true}), "delivered", 2},
		"404":       {always(pushtest.Behaviour{Status: 404}), "dead", 0},
		"410":       {always(pushtest.Behaviour{Status: 410}), "dead", 0},
		"429 once":  {first(pushtest.Behaviour{Status: 429, After: "1"}), "delivered", 1},
		"503 once":  {first(pushtest.Behaviour{Status: 503}), "delivered", 1},
		"503":       {always(pushtest.Behaviour{Status: 503}), "failed push service answers 503", 0},
		"429 long":  {always(pushtest.Behaviour{Status: 429, After: "3600"}), "failed push service answers 429", 0},
		"401":       {always(pushtest.Behaviour{Status: 401}), "failed", 0},
		"413":       {always(pushtest.Behaviour{Status: 413}), "failed", 0},
		"redirect":  {always(pushtest.Behaviour{Status: 307}), "failed push service answers 307", 0},
		"hang":      {always(pushtest.Behaviour{Hang: true}), "failed", 0},
		"hang once": {first(pushtest.Behaviour{Hang: true}), "delivered", 1},
	} {
		fake.Behave(c.behave)
		sub := fake.Subscribe()
		p := message(sub.Address, idp.PushLogin, 3*time.Second)
		s.Send(p)
		out.wait(t, 1)
		if got := out.get(p.Challenge); !strings.HasPrefix(got, c.want) || len(sub.Got) != c.got {
			t.Errorf("%s: %q, %d arrived; want %q, %d", name, got, len(sub.Got), c.want, c.got)
		}
		if strings.Contains(out.get(p.Challenge), sub.ID()) {
			t.Errorf("%s: the reason holds the address: %s", name, out.get(p.Challenge))
		}
	}
	if f := s.Figures()[0]; f.Alarm == "" && f.LastError == "" || f.Dead != 2 || f.Delivered == 0 || f.P95 < f.P50 || f.P50 == 0 {
		t.Errorf("figures %+v", f)
	}
	for _, f := range fake.Faults() {
		t.Error(f)
	}
}

func always(b pushtest.Behaviour) func(string, int) pushtest.Behaviour {
	return func(string, int) pushtest.Behaviour { return b }
}

func first(b pushtest.Behaviour) func(string, int) pushtest.Behaviour {
	return func(_ string, n int) pushtest.Behaviour {
		if n == 0 {
			return b
		}
		return pushtest.Behaviour{}
	}
}

func TestFCM(t *testing.T) {
	fake := pushtest.NewFCM(t)
	ch, err := fcm.New(t.Context(), fcm.Config{ProjectID: "test", Endpoint: fake.URL(), Words: pushtest.Words})
	if err != nil {
		t.Fatal(err)
	}
	s, out := running(t, push.Config{Channels: map[idp.PushType]push.Channel{idp.PushFCM: ch}, Timeout: time.Second})
	if ch.Project() != "test" {
		t.Errorf("of the project %q", ch.Project())
	}
	token := func(n string) idp.PushAddress { return idp.PushAddress{Type: idp.PushFCM, Token: "token:" + n} }

	p := message(token("a"), idp.PushLogin, time.Minute)
	s.Send(p)
	out.wait(t, 1)
	m := <-fake.Got
	if m.Token != "token:a" || m.Data["t"] != "login" || m.Data["c"] != string(p.Challenge) || m.Data["a"] != p.Tag || len(m.Data) != 3 || m.Android == nil || m.Android.Priority != "high" ||
		(m.Android.TTL != "59s" && m.Android.TTL != "60s") || m.APNS != nil {
		t.Errorf("Android: %+v", m)
	}
	p = message(token("i"), idp.PushLogin, time.Minute)
	p.Platform = "ios"
	s.Send(p)
	out.wait(t, 1)
	m = <-fake.Got
	if m.APNS == nil || m.APNS.Headers["apns-collapse-id"] != string(p.Challenge) || m.APNS.Headers["apns-priority"] != "10" ||
		m.APNS.Headers["apns-expiration"] != fmt.Sprint(p.ExpiresAt.Unix()) || m.Android != nil {
		t.Errorf("iOS: %+v", m)
	}

	// What a phone shows by itself is in the words that are given: iOS shows it of all
	// kinds but of a question that is gone, which only wakes the app. Android shows
	// nothing: it is given data, and the app has words of its own.
	for kind, shown := range map[idp.PushKind]bool{idp.PushLogin: true, idp.PushTest: true, idp.PushChanged: true, idp.PushGone: false} {
		for _, platform := range []string{"ios", "android", "other"} {
			p := message(token(platform), kind, time.Minute)
			p.Platform = platform
			s.Send(p)
			out.wait(t, 1)
			m := <-fake.Got
			if platform != "ios" {
				if m.APNS != nil || m.Notification != nil || len(m.Data) != 3 || m.Data["t"] != string(kind) || m.Data["c"] != string(p.Challenge) {
					t.Errorf("%s for %s: %+v", kind, platform, m)
				}
				continue
			}
			aps, _ := m.APNS.Payload["aps"].(map[string]any)
			want := map[string]any{"title": "title of " + string(kind), "body": "text of " + string(kind)}
			if shown && (!reflect.DeepEqual(aps["alert"], want) || aps["mutable-content"] != 1.0 || aps["category"] != string(kind)) ||
				!shown && (aps["alert"] != nil || aps["content-available"] != 1.0 || aps["mutable-content"] != nil) {
				t.Errorf("%s for iOS shows %v", kind, aps)
			}
		}
	}

	for name, c := range map[string]struct {
		behave func(string, int) pushtest.Behaviour
		want   string
		got    int
	}{
		"delivered":          {nil, "delivered", 1},
		"dropped":            {always(pushtest.Behaviour{Drop: true}), "delivered", 0},
		"delayed":            {always(pushtest.Behaviour{Delay: 300 * time.Millisecond}), "delivered", 1},
		"twice":              {always(pushtest.Behaviour{Duplicate: true}), "delivered", 2},
		"UNREGISTERED":       {always(pushtest.Behaviour{Status: 404, Code: "UNREGISTERED"}), "dead", 0},
		"SENDER_ID_MISMATCH": {always(pushtest.Behaviour{Status: 403, Code: "SENDER_ID_MISMATCH"}), "failed", 0},
		"a bare 404":         {always(pushtest.Behaviour{Status: 404}), "failed", 0},
		"400":                {always(pushtest.Behaviour{Status: 400, Code: "INVALID_ARGUMENT"}), "failed", 0},
		"401":                {always(pushtest.Behaviour{Status: 401}), "failed", 0},
		"403":                {always(pushtest.Behaviour{Status: 403}), "failed", 0},
		"429":                {always(pushtest.Behaviour{Status: 429, Code: "QUOTA_EXCEEDED"}), "failed", 0},
		"429 once":           {first(pushtest.Behaviour{Status: 429, Code: "QUOTA_EXCEEDED"}), "delivered", 1},
		"503 once":           {first(pushtest.Behaviour{Status: 503, Code: "UNAVAILABLE"}), "delivered", 1},
		"500":                {always(pushtest.Behaviour{Status: 500, Code: "INTERNAL"}), "failed", 0},
		"hang":               {always(pushtest.Behaviour{Hang: true}), "failed", 0},
		"hang once":          {first(pushtest.Behaviour{Hang: true}), "delivered", 1},
	} {
		fake.Behave(c.behave)
		p := message(token(strings.ReplaceAll(name, " ", "")), idp.PushLogin, 4*time.Second)
		s.Send(p)
		out.wait(t, 1)
		if got := out.get(p.Challenge); !strings.HasPrefix(got, c.want) || len(fake.Got) != c.got {
			t.Errorf("%s: %q, %d arrived; want %q, %d", name, got, len(fake.Got), c.want, c.got)
		}
		if alarm := s.Figures()[0].Alarm; (name == "401" || name == "403") && alarm == "" {
			t.Errorf("%s raises no alarm", name)
		}
		for len(fake.Got) > 0 {
			<-fake.Got
		}
	}
	for _, f := range fake.Faults() {
		t.Error(f)
	}
	if bytes.Contains(fake.Seen(), []byte("Bearer ")) {
		t.Error("credentials went to a service that wants none")
	}
}

// A host that hangs holds up nobody at another host, and one device nobody else.
func TestNobodyWaitsForWhatHangs(t *testing.T) {
	bad, good := pushtest.NewWebPush(t), pushtest.NewWebPush(t)
	bad.Behave(always(pushtest.Behaviour{Hang: true}))
	s, _ := running(t, push.Config{Channels: map[idp.PushType]push.Channel{idp.PushWeb: webTo(t, 5*time.Second, bad, good)}, Workers: 4, Timeout: 2 * time.Second})
	for range 200 {
		s.Send(message(bad.Subscribe().Address, idp.PushLogin, 20*time.Second))
	}
	begin := time.Now()
	var subs []*pushtest.Subscription
	for range 20 {
		sub := good.Subscribe()
		subs = append(subs, sub)
		s.Send(message(sub.Address, idp.PushLogin, 20*time.Second))
	}
	for _, sub := range subs {
		select {
		case <-sub.Got:
		case <-time.After(10 * time.Second):
			t.Fatalf("not delivered after %s", time.Since(begin))
		}
	}
	for _, f := range good.Faults() {
		t.Error(f)
	}
}

// scripted is a channel that does as a test says.
type scripted func(ctx context.Context, p idp.Push) error

func (s scripted) Send(ctx context.Context, p idp.Push) error { return s(ctx, p) }

func TestTimesOfTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		var mu sync.Mutex
		begin := time.Now()
		s, out := running(t, push.Config{Channels: map[idp.PushType]push.Channel{
			"a": scripted(func(context.Context, idp.Push) error {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Since(begin))
				return &push.RetryError{Err: errors.New("not now")}
			}),
			"b": scripted(func(context.Context, idp.Push) error { panic("boom") }),
		}})
		p := message(idp.PushAddress{Type: "a"}, idp.PushLogin, 20*time.Second)
		s.Send(p)
		out.wait(t, 1)
		if got := out.get(p.Challenge); got != "failed not now" || time.Since(begin) > 20*time.Second {
			t.Errorf("%q after %s", got, time.Since(begin))
		}
		for i := 2; i < len(at); i++ {
			if at[i]-at[i-1] <= at[i-1]-at[i-2] {
				t.Errorf("tries at %s: they do not become rarer", at)
			}
		}
		if len(at) < 4 {
			t.Errorf("tries at %s", at)
		}
		late := message(idp.PushAddress{Type: "a"}, idp.PushLogin, 0)
		s.Send(late)
		out.wait(t, 1)
		if got := out.get(late.Challenge); got != "failed too late" {
			t.Errorf("late: %q", got)
		}
		bad := message(idp.PushAddress{Type: "b"}, idp.PushLogin, time.Minute)
		s.Send(bad)
		out.wait(t, 1)
		if got := out.get(bad.Challenge); got != "failed panic: boom" {
			t.Errorf("a panic: %q", got)
		}
		s.Send(message(idp.PushAddress{Type: "none"}, idp.PushLogin, time.Minute)) // not set up: told to the log
	})
}

// Handing over takes no time and no more room than there is.
func TestFullQueue(t *testing.T) {
	hold := make(chan struct{})
	s, _ := running(t, push.Config{Workers: 1, Queue: 10, Channels: map[idp.PushType]push.Channel{
		"a": scripted(func(ctx context.Context, _ idp.Push) error {
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return nil
		}),
	}})
	begin := time.Now()
	for range 1000 {
		s.Send(message(idp.PushAddress{Type: "a"}, idp.PushLogin, time.Minute))
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("handing over took %s", took)
	}
	if f := s.Figures()[0]; f.Failed < 980 || f.Waiting > 11 {
		t.Errorf("%+v", f)
	}
	close(hold)
}

func FuzzAcceptable(f *testing.F) {
	good := pushtest.NewWebPush(f).Subscribe().Address
	for _, e := range []string{good.Endpoint, "https://fcm.googleapis.com/fcm/send/x", "https://a.push.apple.com:443/x", "https://fcm.googleapis.com@127.0.0.1/", "https://127.0.0.1/",
		"http://fcm.googleapis.com/x", "https://push.apple.com.evil.example/", "https://fcm.googleapis.com:8443/", "https://FCM.googleapis.com/\x00", "https:fcm.googleapis.com"} {
		f.Add(e, good.P256dh, good.Auth)
	}
	f.Fuzz(func(t *testing.T, endpoint, key, auth string) {
		a := idp.PushAddress{Type: idp.PushWeb, Endpoint: endpoint, P256dh: key, Auth: auth}
		if webpush.Acceptable(a, webpush.Hosts) != nil {
			return
		}
		// What is accepted leads to a known host, and says so in plain letters.
		rest, ok := strings.CutPrefix(strings.ToLower(endpoint), "https://")
		host, _, _ := strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host, "?")
		host = strings.TrimSuffix(host, ":443")
		found := false
		for _, h := range webpush.Hosts {
			below, star := strings.CutPrefix(h, "*.")
			found = found || h == host || star && strings.HasSuffix(host, "."+below)
		}
		if !ok || !found || strings.ContainsAny(host, "@[]% ") {
			t.Errorf("accepted %q", endpoint)
		}
	})
}

// One subject goes out, with the scheme once, whichever way it was written.
func TestVAPIDSubject(t *testing.T) {
	for subject, want := range map[string]string{
		"https://klinik.test/contact":     "https://klinik.test/contact",
		"login@klinik.test":               "mailto:login@klinik.test",
		"mailto:login@klinik.test":        "mailto:login@klinik.test",
		"MailTo:login@klinik.test":        "mailto:login@klinik.test",
		"mailto:mailto:login@klinik.test": "mailto:login@klinik.test",
	} {
		sent := make(chan string, 1)
		private := make([]byte, 32)
		rand.Read(private)
		fake := pushtest.NewWebPush(t)
		ch, err := webpush.New(webpush.Config{
			Client: &http.Client{Transport: transport(func(r *http.Request) { sent <- r.Header.Get("Authorization") })}, Private: private, Subject: subject,
			App: "https://login.example.net/app", Hosts: []string{fake.Host()}, Words: pushtest.Words,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.Send(t.Context(), message(fake.Subscribe().Address, idp.PushTest, time.Minute)); err != nil {
			t.Fatal(err)
		}
		token, _, _ := strings.Cut(strings.TrimPrefix(<-sent, "vapid t="), ",")
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("token %q", token)
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || !strings.Contains(string(claims), `"sub":"`+want+`"`) {
			t.Errorf("%s: %s, %v", subject, claims, err)
		}
	}
}

// A token says who sends for half a day at most, at one origin, and is used again while it
// is young; one that is old, or was made by a clock that was set back, is made anew (RFC
// 8292, sections 2 and 5).
func TestVAPIDTokensAreUsedAgain(t *testing.T) {
	sent := make(chan string, 1)
	private := make([]byte, 32)
	rand.Read(private)
	one, two := pushtest.NewWebPush(t), pushtest.NewWebPush(t)
	var clock atomic.Int64
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ch, err := webpush.New(webpush.Config{
		Client: &http.Client{Transport: transport(func(r *http.Request) { sent <- r.Header.Get("Authorization") })}, Private: private, Subject: "https://klinik.test",
		App: "https://login.example.net/app", Hosts: []string{one.Host(), two.Host()}, Words: pushtest.Words,
		Now: func() time.Time { return begin.Add(time.Duration(clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	public, err := webpush.Public(private)
	if err != nil {
		t.Fatal(err)
	}
	// token sends a message at a time after begin and returns what says who sends it.
	token := func(after time.Duration, to *pushtest.WebPush) string {
		t.Helper()
		clock.Store(int64(after))
		p := message(to.Subscribe().Address, idp.PushTest, time.Minute)
		if err := ch.Send(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		header := <-sent
		text, key, _ := strings.Cut(strings.TrimPrefix(header, "vapid t="), ", k=")
		parts := strings.Split(text, ".")
		if key != public || len(parts) != 3 {
			t.Fatalf("Authorization %q", header)
		}
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		var c struct {
			Aud string
			Exp int64
		}
		if err != nil || json.Unmarshal(raw, &c) != nil {
			t.Fatalf("claims %q", raw)
		}
		left := time.Unix(c.Exp, 0).Sub(begin.Add(after))
		if c.Aud != "https://"+to.Host() || left < 6*time.Hour || left > 12*time.Hour {
			t.Errorf("after %s: for %q, good for %s", after, c.Aud, left)
		}
		return text
	}
	first := token(0, one)
	if token(time.Hour, one) != first || token(6*time.Hour-time.Second, one) != first {
		t.Error("made anew while it is young")
	}
	if other := token(time.Hour, two); other == first {
		t.Error("one token at two services")
	}
	second := token(6*time.Hour, one)
	if second == first {
		t.Error("used again when it is old")
	}
	if token(-time.Hour, one) == second {
		t.Error("used again by a clock that was set back")
	}
}

// transport sees requests and answers that all is well.
type transport func(*http.Request)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t(r)
	return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// probed is a channel that can be asked whether it would work.
type probed struct {
	changed chan struct{}
	mu      sync.Mutex
	asked   int
	err     error
}

func (p *probed) Send(context.Context, idp.Push) error { return nil }
func (p *probed) Changed() <-chan struct{}             { return p.changed }
func (p *probed) Probe(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.err
}

func (p *probed) set(err error) (asked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	return p.asked
}

// A channel is probed at the start, every hour, soon for whoever looks, and with
// longer and longer pauses while it fails; what may pass is an alarm when it lasts.
func TestProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &probed{changed: make(chan struct{}, 1)}
		s := push.New(push.Config{Channels: map[idp.PushType]push.Channel{idp.PushFCM: p}, Log: slog.New(slog.DiscardHandler)})
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		step := func(why string, pass time.Duration, asked int, alarm string) {
			t.Helper()
			time.Sleep(pass)
			synctest.Wait()
			if n := p.set(p.err); n != asked {
				t.Errorf("%s: asked %d times, want %d", why, n, asked)
			}
			if got := s.Figures()[0].Alarm; got != alarm {
				t.Errorf("%s: alarm %q, want %q", why, got, alarm)
			}
		}
		step("at the start", 0, 1, "")
		step("within the hour", 59*time.Minute, 1, "")
		step("after an hour", 2*time.Minute, 2, "")
		p.set(push.ErrCredentials)
		s.Look()
		step("looked at, soon after the last", 0, 3, push.ErrCredentials.Error())
		for range 100 {
			s.Look()
			time.Sleep(100 * time.Millisecond)
		}
		step("looked at all the time, failing", 0, 4, push.ErrCredentials.Error())
		p.set(nil)
		p.changed <- struct{}{}
		step("changed", 0, 5, "")
		s.Look()
		step("looked at, just probed", 0, 5, "")
		step("and a while later", 21*time.Second, 6, "")
		away := &push.RetryError{Err: errors.New("away")}
		p.set(away)
		p.changed <- struct{}{}
		step("away", 0, 7, "")
		step("away again", 6*time.Second, 8, "")
		step("away a third time", 10*time.Second, 9, "away")
		step("for long", time.Hour, 18, "away")
		p.set(nil)
		step("back", 11*time.Minute, 19, "")
		end()
		<-ended
	})
}
