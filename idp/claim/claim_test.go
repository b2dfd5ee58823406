package claim

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hilum/idp"
)

var anna = &idp.User{
	ID: "U1", Name: "anna", DisplayName: "Dr. Anna \"Ä\" Maes", GivenName: "Anna", FamilyName: "Maes", Email: "anna@klinik.example", EmailVerified: true,
	Phone: "+32 2 555", PhoneVerified: false, Locale: "nl-BE", Roles: []string{"reader", "chief"}, Groups: []string{"mr", "ct"},
	UpdatedAt: time.Unix(1_790_000_000, 5),
}

// told is what is written of a person, read as others read it.
func told(t *testing.T, u *idp.User, rules []idp.ClaimRule, scopes ...string) map[string]any {
	t.Helper()
	b := Append([]byte(`{"sub":"x"`), u, rules, ByScope(scopes))
	var m map[string]any
	if err := json.Unmarshal(append(b, '}'), &m); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	delete(m, "sub")
	return m
}

// Every claim under the scope that covers it, and under no other.
func TestClaimsOfScopes(t *testing.T) {
	table := map[string]map[string]any{
		Profile: {
			"name": "Dr. Anna \"Ä\" Maes", "given_name": "Anna", "family_name": "Maes", "preferred_username": "anna", "locale": "nl-BE",
			"updated_at": float64(1_790_000_000),
		},
		Email:            {"email": "anna@klinik.example", "email_verified": true},
		Phone:            {"phone_number": "+32 2 555", "phone_number_verified": false},
		Groups:           {"groups": []any{"mr", "ct"}},
		Roles:            {"roles": []any{"reader", "chief"}},
		"openid":         {},
		"offline_access": {},
		"":               {},
	}
	all, listed := map[string]any{}, 0
	for scope, want := range table {
		if got := told(t, anna, nil, scope); !reflect.DeepEqual(got, want) {
			t.Errorf("%q tells %v, want %v", scope, got, want)
		}
		maps.Copy(all, want)
		listed += len(want)
	}
	if listed != len(Person) {
		t.Errorf("the table of this test has %d claims, there are %d", listed, len(Person))
	}
	if got := told(t, anna, nil, Profile, Email, Phone, Groups, Roles); !reflect.DeepEqual(got, all) {
		t.Errorf("all scopes tell %v", got)
	}
	if got := told(t, anna, nil); len(got) != 0 {
		t.Errorf("without a scope: %v", got)
	}
}

// What there is no value of is left out, its companion too.
func TestClaimsWithoutValues(t *testing.T) {
	if got := told(t, &idp.User{EmailVerified: true, PhoneVerified: true}, nil, Profile, Email, Phone, Groups, Roles); len(got) != 0 {
		t.Errorf("of nobody is told %v", got)
	}
	if got := told(t, &idp.User{Email: "a@b"}, nil, Email); !reflect.DeepEqual(got, map[string]any{"email": "a@b", "email_verified": false}) {
		t.Errorf("%v", got)
	}
}

func TestRules(t *testing.T) {
	value := func(from, to string) idp.ClaimValue { return idp.ClaimValue{From: from, To: to} }
	everything := []string{Profile, Email, Phone, Groups, Roles}
	for name, c := range map[string]struct {
		rule   idp.ClaimRule
		scopes []string
		want   any // nil: nothing
	}{
		"a list as it is":                      {idp.ClaimRule{Name: "x", From: "groups"}, everything, []any{"mr", "ct"}},
		"the first of a list":                  {idp.ClaimRule{Name: "x", From: "groups", One: true}, everything, "mr"},
		"renamed, in the order of the rule":    {idp.ClaimRule{Name: "x", From: "groups", Values: []idp.ClaimValue{value("ct", "A"), value("mr", "B"), value("us", "C")}}, everything, []any{"A", "B"}},
		"the first that fits":                  {idp.ClaimRule{Name: "x", From: "groups", One: true, Values: []idp.ClaimValue{value("us", "C"), value("ct", "A"), value("mr", "B")}}, everything, "A"},
		"two that become one":                  {idp.ClaimRule{Name: "x", From: "roles", Values: []idp.ClaimValue{value("chief", "A"), value("reader", "A")}}, everything, []any{"A"}},
		"none fits":                            {idp.ClaimRule{Name: "x", From: "groups", Values: []idp.ClaimValue{value("us", "C")}}, everything, nil},
		"a text":                               {idp.ClaimRule{Name: "x", From: "email"}, everything, "anna@klinik.example"},
		"a text, renamed":                      {idp.ClaimRule{Name: "x", From: "preferred_username", Values: []idp.ClaimValue{value("anna", "A")}}, everything, "A"},
		"a text of one's own":                  {idp.ClaimRule{Name: "x", Text: `ho"spital`}, everything, `ho"spital`},
		"its scope was not asked for":          {idp.ClaimRule{Name: "x", From: "groups"}, []string{Profile, Roles}, nil},
		"a text of one's own, without profile": {idp.ClaimRule{Name: "x", Text: "hospital"}, []string{Email, Groups}, nil},
		"of a claim that there is none of":     {idp.ClaimRule{Name: "x", From: "shoe_size"}, everything, nil},
		"of one that is no text":               {idp.ClaimRule{Name: "x", From: "updated_at"}, everything, nil},
		"of a truth":                           {idp.ClaimRule{Name: "x", From: "email_verified"}, everything, nil},
	} {
		got, ok := told(t, anna, []idp.ClaimRule{c.rule}, c.scopes...)["x"]
		if ok != (c.want != nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	// A rule takes the place of the claim of its name, also where it tells nothing.
	b := Append(nil, anna, []idp.ClaimRule{{Name: "groups", From: "roles"}}, ByScope(everything))
	if n := bytes.Count(b, []byte(`"groups":`)); n != 1 || !bytes.Contains(b, []byte(`"groups":["reader","chief"]`)) {
		t.Errorf("%s", b)
	}
	b = Append(nil, anna, []idp.ClaimRule{{Name: "groups", From: "roles"}}, ByScope([]string{Groups}))
	if len(b) != 0 {
		t.Errorf("without the scope of what it is made of: %s", b)
	}
	if _, ok := told(t, &idp.User{Name: "x"}, []idp.ClaimRule{{Name: "x", From: "given_name"}}, everything...)["x"]; ok {
		t.Error("of a value that there is none of")
	}
}

// No rule may give a name that a token has for its own sake, and none of ours is one.
func TestReservedNames(t *testing.T) {
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "azp", "sid", "at_hash", "c_hash", "s_hash", "client_id", "scope", "cnf", "act", "events", "active", "token_type"} {
		if MayName(name) {
			t.Errorf("%s may be given", name)
		}
	}
	for _, c := range Person {
		if !MayName(c.Name) {
			t.Errorf("%s is one of a token's own", c.Name)
		}
		if known := Known(c.Name); (known == nil) != (c.values == nil) {
			t.Errorf("%s: rules may be made of it: %v", c.Name, known != nil)
		}
	}
	for _, name := range []string{"memberOf", "grafana_role", "https://klinik.example/role"} {
		if !MayName(name) {
			t.Errorf("%s may not be given", name)
		}
	}
	if Known("sub") != nil || Known("") != nil {
		t.Error("a rule may be made of what is no claim about a person")
	}
}

// asJSON is what encoding/json writes, without its escapes for HTML.
func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// short writes what encoding/json has longer or shorter names for as we do: of a
// few signs there are two escapes, and two that need none in JSON itself.
var short = strings.NewReplacer(`\b`, `\u0008`, `\f`, `\u000c`, `\n`, `\u000a`, `\r`, `\u000d`, `\t`, `\u0009`, `\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\ufffd`, "\uFFFD")

var texts0 = []string{"", "anna", `a"b\c`, "Ä ö ß 漢 🩻", "a\x00b\x1f\n\r\t\b\f", "</script>&<!--", "\u2028\u2029", "\u202e", "\xff\xfe", "a\xc3", "\x7f", "\\u0041", `\n`}

func TestJSONIsThatOfTheLibrary(t *testing.T) {
	for _, s := range texts0 {
		if got, want := AppendString(nil, s), short.Replace(string(asJSON(t, s))); string(got) != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	if got, want := AppendStrings([]byte("x"), texts0), "x"+short.Replace(string(asJSON(t, texts0))); string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, list := range [][]string{{}, {""}, {"a", "b"}} {
		if got, want := AppendStrings(nil, list), asJSON(t, list); !bytes.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// A whole object, in the order of the table.
	type claims struct {
		Name          string   `json:"name"`
		GivenName     string   `json:"given_name"`
		FamilyName    string   `json:"family_name"`
		Username      string   `json:"preferred_username"`
		Locale        string   `json:"locale"`
		UpdatedAt     int64    `json:"updated_at"`
		Email         string   `json:"email"`
		EmailVerified bool     `json:"email_verified"`
		Phone         string   `json:"phone_number"`
		PhoneVerified bool     `json:"phone_number_verified"`
		Groups        []string `json:"groups"`
		Roles         []string `json:"roles"`
		X             string   `json:"x"`
	}
	got := Append(nil, anna, []idp.ClaimRule{{Name: "x", Text: "y"}}, ByScope([]string{Profile, Email, Phone, Groups, Roles}))
	want := asJSON(t, claims{
		anna.DisplayName, anna.GivenName, anna.FamilyName, anna.Name, anna.Locale, anna.UpdatedAt.Unix(), anna.Email, true, anna.Phone, false, anna.Groups, anna.Roles, "y",
	})
	if string(got) != ","+string(want[1:len(want)-1]) {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

// FuzzString: whatever the text, it is the JSON of the library, and reads back
// as itself.
func FuzzString(f *testing.F) {
	for _, s := range texts0 {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		list := []string{a, b, a + b}
		out := AppendStrings(nil, list)
		if want := short.Replace(string(asJSON(t, list))); string(out) != want {
			t.Errorf("%q: %s, want %s", list, out, want)
		}
		var back []string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q: %s: %v", list, out, err)
		}
		for i := range list {
			if utf8.ValidString(list[i]) && back[i] != list[i] {
				t.Errorf("%q reads back as %q", list[i], back[i])
			}
		}
		u := &idp.User{Name: a, DisplayName: b, Groups: list}
		o := append(Append([]byte(`{"sub":"x"`), u, []idp.ClaimRule{{Name: b, From: "groups", One: true}}, ByScope([]string{Profile, Groups})), '}')
		if !json.Valid(o) || slices.Contains(o, '\n') {
			t.Errorf("%s", o)
		}
	})
}

// The roles that an application is told are those of its rule, where it has one.
func TestRolesOf(t *testing.T) {
	everything := []string{Profile, Groups, Roles}
	rows := []idp.ClaimValue{{From: "ct", To: "doctor"}, {From: "mr", To: "reader"}}
	for name, c := range map[string]struct {
		rules  []idp.ClaimRule
		scopes []string
		want   []string
	}{
		"as they are":                 {nil, everything, []string{"reader", "chief"}},
		"a rule of another name":      {[]idp.ClaimRule{{Name: "ward", From: "groups"}}, everything, []string{"reader", "chief"}},
		"groups as roles":             {[]idp.ClaimRule{{Name: "roles", From: "groups"}}, everything, []string{"mr", "ct"}},
		"renamed":                     {[]idp.ClaimRule{{Name: "roles", From: "groups", Values: rows}}, everything, []string{"doctor", "reader"}},
		"the first that fits":         {[]idp.ClaimRule{{Name: "roles", From: "groups", Values: rows, One: true}}, everything, []string{"doctor"}},
		"none fits":                   {[]idp.ClaimRule{{Name: "roles", From: "groups", Values: []idp.ClaimValue{{From: "us", To: "x"}}, One: true}}, everything, nil},
		"groups that are not covered": {[]idp.ClaimRule{{Name: "roles", From: "groups"}}, []string{Roles}, nil},
		"a text of its own":           {[]idp.ClaimRule{{Name: "roles", Text: "doctor"}}, everything, []string{"doctor"}},
		"a text, without profile":     {[]idp.ClaimRule{{Name: "roles", Text: "doctor"}}, []string{Roles}, nil},
	} {
		if got := RolesOf(anna, c.rules, c.scopes); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
