package phone

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A phone that watches answers beside it, and the clock may be set right by either: under
// -race this fails where the account is read or written without its lock.
func TestWatchingAndAnsweringAtOnce(t *testing.T) {
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		n := asked[r.URL.Path]
		mu.Unlock()
		switch {
		case r.URL.Path == "/device/v1/challenges" && n%2 == 0:
			fmt.Fprint(w, `{"state":"active","challenges":[]}`)
		case r.URL.Path == "/device/v1/answer" && n%2 == 0:
			fmt.Fprint(w, `{"state":"approved"}`)
		default:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"clock_skew","server_time":%d}`, time.Now().Unix()+int64(n))
		}
	}))
	t.Cleanup(srv.Close)
	file := &File{path: filepath.Join(t.TempDir(), "keys.json")}
	text, err := json.Marshal(map[string]any{"v": 1, "cid": "C", "purpose": "login", "iss": srv.URL, "exp": time.Now().Unix() + 3600, "match": map[string]string{"mode": "tap"}})
	if err != nil {
		t.Fatal(err)
	}
	ch := &Challenge{CID: "C", Text: string(text)}
	c := &Client{Account: &Account{Device: "D", Issuer: srv.URL, Key: key, Pending: true, Waiting: ch}, Save: file.Put}
	if err := file.Put(c.Account); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = c.Watch(ctx, func(Event) {}) }) // ends with ctx
	for range 20 {
		if _, err := c.Check(ch); err != nil {
			t.Error(err)
		}
		if state, err := c.Answer(ctx, ch, Decision{Approve: true}); err != nil || state != "approved" {
			t.Errorf("%s, %v", state, err)
		}
	}
	end()
	watching.Wait()
	kept, err := OpenFile(file.path)
	if err != nil || len(kept.accounts) != 1 || kept.accounts[0].Pending || kept.accounts[0].Waiting != nil || kept.accounts[0].Offset == 0 {
		t.Errorf("kept %+v, %v", kept, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if asked["/device/v1/listen"] == 0 || asked["/device/v1/challenges"] == 0 {
		t.Errorf("asked %v", asked)
	}
}
