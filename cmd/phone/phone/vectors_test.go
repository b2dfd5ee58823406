package phone

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// The examples of the protocol are read as the phone app reads them (static/test).
func TestVectorsOfTheProtocol(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/device-protocol-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Issuer     string
		Now        int64
		Challenges []struct{ Why, CID, Doc, Fault string }
		Codes      []struct {
			Secret         string
			Digits, Period int
			At             int64
			Code           string
		}
		Links []struct{ Why, Text, Label, Account, Issuer, Pair, Fault string }
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	c := &Client{Account: &Account{Issuer: v.Issuer}, Clock: func() time.Time { return time.Unix(v.Now, 0) }}
	for _, x := range v.Challenges {
		if _, err := c.Check(&Challenge{CID: x.CID, Text: x.Doc}); (err == nil) != (x.Fault == "") {
			t.Errorf("a challenge, %s: %v, want %q", x.Why, err, x.Fault)
		}
	}
	for _, x := range v.Codes {
		a := Account{Secret: x.Secret, Digits: x.Digits, Period: x.Period}
		if got, err := a.Code(time.Unix(x.At, 0)); got != x.Code {
			t.Errorf("the code at %d is %s (%v), want %s", x.At, got, err, x.Code)
		}
	}
	for _, x := range v.Links {
		l, err := ParseLink(x.Text)
		switch {
		case x.Fault == "plain":
			if err != nil || l.Issuer != "" {
				t.Errorf("a link, %s: %+v, %v", x.Why, l, err)
			}
		case x.Fault != "":
			if err == nil {
				t.Errorf("a link, %s: %+v, want %q", x.Why, l, x.Fault)
			}
		case err != nil || l.Label != x.Label || l.Account != x.Account || l.Issuer != x.Issuer || l.Pair != x.Pair:
			t.Errorf("a link, %s: %+v, %v", x.Why, l, err)
		}
	}
}
