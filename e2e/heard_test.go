package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"hilum/cmd/phone/phone"
)

// A command beside the provider unlinks a phone: it hears so by its stream long before
// the stream's next sign of life, a phone that is asleep is woken by push, and the
// person's other phones are told.
func TestCommandsAreHeard(t *testing.T) {
	t.Parallel()
	service, env := pushing(t)
	s, _ := startPlain(t, env...)
	bert := s.invite(t, "bert")
	push := func() (any, <-chan string) {
		sub := service.Subscribe()
		kinds := make(chan string, 100)
		go func() { // ends with the test's process
			for m := range sub.Got {
				var told struct{ T string }
				if json.Unmarshal(m.Text, &told) == nil {
					kinds <- told.T
				}
			}
		}()
		return map[string]any{"type": "webpush", "endpoint": sub.Address.Endpoint, "p256dh": sub.Address.P256dh, "auth": sub.Address.Auth}, kinds
	}
	toListening, ofListening := push()
	toSleeping, ofSleeping := push()
	toOther, ofOther := push()
	listening := bert.links(s.issuer, "Listening", toListening)
	sleeping := bert.links(s.issuer, "Sleeping", toSleeping)
	bert.links(s.issuer, "Other", toOther)
	drain := func(kinds <-chan string) (all []string) {
		for {
			select {
			case k := <-kinds:
				all = append(all, k)
			case <-time.After(time.Second):
				return all
			}
		}
	}
	for _, kinds := range []<-chan string{ofListening, ofSleeping, ofOther} {
		if !slices.Contains(drain(kinds), "login") {
			t.Error("linking asks by push")
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	heard := make(chan phone.Event, 10)
	go func() { // ends when the phone is unlinked
		_ = listening.Watch(ctx, func(e phone.Event) { heard <- e })
		close(heard)
	}()
	time.Sleep(time.Second) // so that it listens
	ids := map[string]string{}
	for line := range strings.Lines(s.idp(t, "device", "list", "--json")) {
		var d struct{ ID, Name string }
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		ids[d.Name] = d.ID
	}
	s.idp(t, "device", "unlink", ids["Listening"], ids["Sleeping"])
	unlinked := time.Now()
	last := ""
	for e := range heard {
		last = e.Name
	}
	// The stream looks by itself every 15 s, the first time some 13 s from here.
	if took := time.Since(unlinked); last != "unlinked" || took > 6*time.Second {
		t.Errorf("heard %q last, %s after the command", last, took)
	}
	for name, kinds := range map[string]<-chan string{"Listening": ofListening, "Sleeping": ofSleeping, "Other": ofOther} {
		if got := drain(kinds); !slices.Contains(got, "changed") {
			t.Errorf("%s is told %q by push", name, got)
		}
	}
	if _, err := sleeping.Challenges(ctx, 0); err == nil || !strings.Contains(err.Error(), "unlinked") {
		t.Errorf("the phone that was woken hears %v", err)
	}
	// Once: the next change is told to those that are linked.
	third := bert.links(s.issuer, "Third", nil)
	if got := drain(ofSleeping); len(got) != 0 {
		t.Errorf("a phone that was told is told %q again", got)
	}
	if err := third.Unpair(ctx); err != nil {
		t.Error(err)
	}
}
