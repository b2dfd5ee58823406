package oidc

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/idptest"
	"hilum/idp/login"
)

// assuranceRow is a row of the first table of docs/assurance.md: how somebody signs in, amr, acr.
var assuranceRow = regexp.MustCompile("(?m)^\\| ([^|]+?) \\| `([^`]*)` \\| (?:`([^`]*)`|none) \\|")

// TestAssurancePage: docs/assurance.md says of every way to sign in what the tokens say.
func TestAssurancePage(t *testing.T) {
	page := string(idptest.Must(os.ReadFile("../../docs/assurance.md"))(t))
	said := map[string][2]string{}
	for _, m := range assuranceRow.FindAllStringSubmatch(page, -1) {
		said[m[1]] = [2]string{m[2], m[3]}
	}
	s := newSite(t)
	c := s.addClient(nil)
	caller := s.addClient(asks)
	anna, bert := s.addPerson("anna"), s.addPerson("bert")
	byCode := func() *tokens { return s.mustExchange(c, s.browser().signIn(anna, request(c))) }
	ph := s.phone(bert)
	onPhone := func(verified bool) *tokens {
		t.Helper()
		b := s.browser()
		id := b.get(pathAuthorize + "?" + request(c).Encode()).loginOf(t)
		idptest.Must(s.flow.Password(t.Context(), id, b.asLogin(), bert.Name, rightPassword))(t)
		open, err := s.flow.Asked(t.Context(), ph)
		if err != nil || len(open) != 1 {
			t.Fatalf("%d questions, %v", len(open), err)
		}
		if _, err := s.flow.Answer(t.Context(), ph, login.Reply{
			Challenge: open[0].ID, DocHash: open[0].DocHash(), Verdict: idp.Verdict{Approve: true, Number: open[0].Number, Verified: verified}, Address: "192.0.2.9",
			Seen: idp.Replay{Device: ph.Device.ID, JTI: idp.NewToken().Hash(), Until: s.clock.Now().Add(idp.LoginTTL)},
		}); err != nil {
			t.Fatal(err)
		}
		idptest.Must(s.flow.Continue(t.Context(), id, b.asLogin()))(t)
		return s.mustExchange(c, idp.Secret(b.get(CollectPath+string(id)).answered(t).Get("code")))
	}
	called := func(verified bool) *tokens {
		t.Helper()
		id, r := s.bc(caller, "login_hint", "bert")
		if id == "" {
			t.Fatalf("%s", r.body)
		}
		s.answer(ph, idp.Verdict{Approve: true, Verified: verified})
		tok, _ := s.pollBC(caller, id)
		return tok
	}
	for how, sign := range map[string]func() *tokens{
		"password and a six-digit code":                       byCode,
		"password and an approval on the phone":               func() *tokens { return onPhone(false) },
		"the same, the phone has verified its person":         func() *tokens { return onPhone(true) },
		"the back channel (CIBA)":                             func() *tokens { return called(false) },
		"the back channel, the phone has verified its person": func() *tokens { return called(true) },
	} {
		want, ok := said[how]
		if !ok {
			t.Errorf("the page has no row for %q; it has %v", how, said)
			continue
		}
		delete(said, how)
		tok := sign()
		for what, m := range map[string]map[string]any{"ID token": claimsOf(t, tok.ID), "introspection": s.introspect(map[bool]*client{true: caller, false: c}[strings.HasPrefix(how, "the back")], tok.Access)} {
			var amr []string
			for _, v := range m["amr"].([]any) {
				amr = append(amr, v.(string))
			}
			acr, _ := m["acr"].(string)
			if got := [2]string{strings.Join(amr, " "), acr}; got != want {
				t.Errorf("%s: the %s says %q, the page %q", how, what, got, want)
			}
		}
		s.clock.Add(idp.LoginTTL)
	}
	// By the same code as six digits, and tested where codes are.
	if got := said["password and a recovery code"]; got != [2]string{"pwd otp mfa", idp.ACRMultiFactor} {
		t.Errorf("a recovery code: %q", got)
	}
	delete(said, "password and a recovery code")
	if len(said) != 0 {
		t.Errorf("the page has rows that nothing tests: %v", said)
	}

	// What can be asked for: one class. Another as a wish is not refused, one that is
	// essential is, and max_age counts beside it.
	b := s.browser()
	b.signIn(anna, request(c))
	for _, row := range []struct{ name, value, age, want string }{
		{"acr_values", idp.ACRMultiFactor, "", ""},
		{"acr_values", "https://refeds.org/profile/sfa", "", ""},
		{"acr_values", "urn:mace:incommon:iap:silver " + idp.ACRMultiFactor, "3600", ""},
		{"acr_values", idp.ACRMultiFactor, "60", codeLoginRequired},
		{"claims", `{"id_token":{"acr":{"essential":true,"value":"` + idp.ACRMultiFactor + `"}}}`, "3600", ""},
		{"claims", `{"id_token":{"acr":{"essential":true,"value":"` + idp.ACRMultiFactor + `"}}}`, "60", codeLoginRequired},
		{"claims", `{"id_token":{"acr":{"essential":true,"values":["http://eidas.europa.eu/LoA/high","https://refeds.org/profile/sfa"]}}}`, "", codeUnmetAuthRequirement},
	} {
		s.clock.Add(2 * 60 * 1e9)
		got := b.get(pathAuthorize + "?" + request(c, row.name, row.value, "max_age", row.age, "prompt", "none").Encode()).answered(t)
		if got.Get("error") != row.want {
			t.Errorf("%s=%s, max_age %q: %v", row.name, row.value, row.age, got)
		}
	}
}
