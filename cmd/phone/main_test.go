package main

import (
	"encoding/json"
	"testing"

	"hilum/cmd/phone/phone"
)

// Who says Login where a number is wanted is asked for it.
func TestANumberIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		match, typed, want string
		must               []string
	}{
		{`{"mode":"tap"}`, "l", "", nil},
		{`{"mode":"tap"}`, "l 1379", "", []string{"uv"}},
		{`{"mode":"type","len":2}`, "l", "  type the 2 digits in the browser", nil},
		{`{"mode":"type","len":2}`, "l 1379", "  type the 2 digits in the browser, and the PIN after a space", []string{"uv"}},
		{`{"mode":"type","len":2}`, "47", "", nil},
		{`{"mode":"type","len":2}`, "d", "", nil},
		{`{"mode":"type","len":2}`, "n", "", nil},
		{`{"mode":"pick","choices":["12","34","56"]}`, "login", "  type the number in the browser, one of 12, 34, 56", nil},
		{`{"mode":"pick","choices":["12","34","56"]}`, "34", "", nil},
	} {
		text, err := json.Marshal(map[string]any{"v": 1, "cid": "C", "purpose": "login", "match": json.RawMessage(c.match), "must": c.must})
		if err != nil {
			t.Fatal(err)
		}
		ch := &phone.Challenge{CID: "C", Text: string(text)}
		if _, err := ch.Doc(); err != nil {
			t.Fatal(err)
		}
		d, ok := decisionOf(c.typed)
		if !ok {
			t.Fatalf("%q is no decision", c.typed)
		}
		if got := lacks(d, ch); got != c.want {
			t.Errorf("%q at %s: asked %q, want %q", c.typed, c.match, got, c.want)
		}
	}
}
