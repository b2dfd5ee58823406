package idp_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"hilum/idp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// refused stands in the table where a state does not know an event.
const refused idp.LoginState = ""

// transition is one cell of the state machine.
type transition struct {
	from idp.LoginState
	on   idp.LoginInput
	to   idp.LoginState // refused: ErrSettled, and nothing changes
	why  string
}

// transitions has a row for every state and every event.
var transitions = []transition{
	{idp.LoginPassword, idp.OnPassword, idp.LoginFactor, "a password alone never signs in"},
	{idp.LoginPassword, idp.OnInvited, idp.LoginEnrol, "an invitation lets who has nothing linked go on to link"},
	{idp.LoginPassword, idp.OnClosed, idp.LoginFirst, "strangers have guessed: the second factor comes before the password"},
	{idp.LoginPassword, idp.OnFactor, refused, "a second factor needs a first"},
	{idp.LoginPassword, idp.OnSpent, refused, "nobody has tried a code yet"},
	{idp.LoginPassword, idp.OnLinked, refused, "a device is not linked before the password"},
	{idp.LoginPassword, idp.OnReset, refused, "a password is not chosen where one is asked for"},
	{idp.LoginPassword, idp.OnAllow, refused, "nobody is there to consent"},
	{idp.LoginPassword, idp.OnRefuse, refused, "nothing was asked that could be refused"},
	{idp.LoginPassword, idp.OnDeny, idp.LoginDenied, "the person may turn back at once"},
	{idp.LoginPassword, idp.OnStartOver, idp.LoginPassword, "starting over at the start changes nothing"},
	{idp.LoginPassword, idp.OnCollect, refused, "nothing was proven"},
	{idp.LoginPassword, idp.OnSession, idp.LoginDone, "another tab has signed in"},
	{idp.LoginPassword, idp.OnExpire, idp.LoginExpired, "an open sign-in runs out"},

	{idp.LoginFactor, idp.OnPassword, refused, "a password was given; another could be another person's"},
	{idp.LoginFactor, idp.OnInvited, refused, "no step around the second factor"},
	{idp.LoginFactor, idp.OnClosed, refused, "the password was looked at"},
	{idp.LoginFactor, idp.OnFactor, idp.LoginDone, "both proofs are given"},
	{idp.LoginFactor, idp.OnSpent, idp.LoginPassword, "who guesses codes has to know the password again"},
	{idp.LoginFactor, idp.OnLinked, refused, "a password alone links no device"},
	{idp.LoginFactor, idp.OnReset, refused, "a password is not changed half way in"},
	{idp.LoginFactor, idp.OnAllow, refused, "consent comes after the proofs"},
	{idp.LoginFactor, idp.OnRefuse, refused, "consent was not asked for yet"},
	{idp.LoginFactor, idp.OnDeny, idp.LoginDenied, "the person, or a phone, says no"},
	{idp.LoginFactor, idp.OnStartOver, idp.LoginPassword, "not me: another name can be typed"},
	{idp.LoginFactor, idp.OnCollect, refused, "the second factor is missing"},
	{idp.LoginFactor, idp.OnSession, idp.LoginDone, "another tab has signed in"},
	{idp.LoginFactor, idp.OnExpire, idp.LoginExpired, "an open sign-in runs out"},

	{idp.LoginFirst, idp.OnPassword, refused, "no password is looked at before the second factor"},
	{idp.LoginFirst, idp.OnInvited, refused, "no step around the second factor"},
	{idp.LoginFirst, idp.OnClosed, refused, "they are closed already"},
	{idp.LoginFirst, idp.OnFactor, idp.LoginLast, "a second factor alone never signs in"},
	{idp.LoginFirst, idp.OnSpent, idp.LoginPassword, "who guesses codes begins anew"},
	{idp.LoginFirst, idp.OnLinked, refused, "nobody has proven anything"},
	{idp.LoginFirst, idp.OnReset, refused, "nobody has proven anything"},
	{idp.LoginFirst, idp.OnAllow, refused, "nobody is there to consent"},
	{idp.LoginFirst, idp.OnRefuse, refused, "nothing was asked that could be refused"},
	{idp.LoginFirst, idp.OnDeny, idp.LoginDenied, "the person, or a phone, says no"},
	{idp.LoginFirst, idp.OnStartOver, idp.LoginPassword, "not me: another name can be typed"},
	{idp.LoginFirst, idp.OnCollect, refused, "nothing was proven"},
	{idp.LoginFirst, idp.OnSession, idp.LoginDone, "another tab has signed in"},
	{idp.LoginFirst, idp.OnExpire, idp.LoginExpired, "an open sign-in runs out"},

	{idp.LoginLast, idp.OnPassword, idp.LoginDone, "both proofs are given"},
	{idp.LoginLast, idp.OnInvited, refused, "who has given a second factor has something linked"},
	{idp.LoginLast, idp.OnClosed, idp.LoginFirst, "who has used up the tries of this sign-in gives a second factor again"},
	{idp.LoginLast, idp.OnFactor, refused, "it was given; the password is missing"},
	{idp.LoginLast, idp.OnSpent, refused, "no codes are tried here"},
	{idp.LoginLast, idp.OnLinked, refused, "a second factor alone links no device"},
	{idp.LoginLast, idp.OnReset, refused, "a password is not changed half way in"},
	{idp.LoginLast, idp.OnAllow, refused, "consent comes after the proofs"},
	{idp.LoginLast, idp.OnRefuse, refused, "consent was not asked for yet"},
	{idp.LoginLast, idp.OnDeny, idp.LoginDenied, "the person turns back"},
	{idp.LoginLast, idp.OnStartOver, idp.LoginPassword, "not me: another name can be typed"},
	{idp.LoginLast, idp.OnCollect, refused, "the password is missing"},
	{idp.LoginLast, idp.OnSession, idp.LoginDone, "another tab has signed in"},
	{idp.LoginLast, idp.OnExpire, idp.LoginExpired, "an open sign-in runs out"},

	{idp.LoginEnrol, idp.OnPassword, refused, "the password is chosen or was given"},
	{idp.LoginEnrol, idp.OnInvited, refused, "the invitation is being used already"},
	{idp.LoginEnrol, idp.OnClosed, refused, "the password is chosen or was given"},
	{idp.LoginEnrol, idp.OnFactor, refused, "there is no device to prove with"},
	{idp.LoginEnrol, idp.OnSpent, refused, "wrong codes are counted against the offer"},
	{idp.LoginEnrol, idp.OnLinked, idp.LoginDone, "the code that linked the device is the second factor"},
	{idp.LoginEnrol, idp.OnReset, idp.LoginFactor, "a link proves nothing about who holds the phone"},
	{idp.LoginEnrol, idp.OnAllow, refused, "no application asks for anything"},
	{idp.LoginEnrol, idp.OnRefuse, refused, "no application asks for anything"},
	{idp.LoginEnrol, idp.OnDeny, idp.LoginDenied, "the person may turn back; the link stays good"},
	{idp.LoginEnrol, idp.OnStartOver, refused, "an invitation is started over from its link"},
	{idp.LoginEnrol, idp.OnCollect, refused, "nothing is linked yet"},
	{idp.LoginEnrol, idp.OnSession, refused, "an invitation is for whoever it names"},
	{idp.LoginEnrol, idp.OnExpire, idp.LoginExpired, "an open sign-in runs out"},

	{idp.LoginConsent, idp.OnPassword, refused, "the proofs are given"},
	{idp.LoginConsent, idp.OnInvited, refused, "the proofs are given"},
	{idp.LoginConsent, idp.OnClosed, refused, "the proofs are given"},
	{idp.LoginConsent, idp.OnFactor, refused, "the proofs are given"},
	{idp.LoginConsent, idp.OnSpent, refused, "no codes are tried here"},
	{idp.LoginConsent, idp.OnLinked, refused, "nothing is linked here"},
	{idp.LoginConsent, idp.OnReset, refused, "no password is chosen here"},
	{idp.LoginConsent, idp.OnAllow, idp.LoginDone, "the person has said yes"},
	{idp.LoginConsent, idp.OnRefuse, idp.LoginDenied, "the person has said no"},
	{idp.LoginConsent, idp.OnDeny, idp.LoginDenied, "turning back is a no"},
	{idp.LoginConsent, idp.OnStartOver, idp.LoginPassword, "not me: another name can be typed"},
	{idp.LoginConsent, idp.OnCollect, refused, "nothing is told before a yes"},
	{idp.LoginConsent, idp.OnSession, refused, "it goes on by a session already"},
	{idp.LoginConsent, idp.OnExpire, idp.LoginExpired, "an open sign-in runs out"},

	{idp.LoginDone, idp.OnPassword, refused, "a finished sign-in takes nothing more"},
	{idp.LoginDone, idp.OnInvited, refused, "a finished sign-in takes nothing more"},
	{idp.LoginDone, idp.OnClosed, refused, "a finished sign-in takes nothing more"},
	{idp.LoginDone, idp.OnFactor, refused, "a second tab comes too late"},
	{idp.LoginDone, idp.OnSpent, refused, "what was right cannot be spent any more"},
	{idp.LoginDone, idp.OnLinked, refused, "a finished sign-in takes nothing more"},
	{idp.LoginDone, idp.OnReset, refused, "a finished sign-in takes nothing more"},
	{idp.LoginDone, idp.OnAllow, refused, "the yes was given, or was not needed"},
	{idp.LoginDone, idp.OnRefuse, refused, "a no comes too late"},
	{idp.LoginDone, idp.OnDeny, idp.LoginDenied, "«it wasn't me» comes before the browser has collected"},
	{idp.LoginDone, idp.OnStartOver, refused, "what is finished is collected, not taken back"},
	{idp.LoginDone, idp.OnCollect, idp.LoginCollected, "the browser comes for its answer"},
	{idp.LoginDone, idp.OnSession, refused, "nothing is asked any more"},
	{idp.LoginDone, idp.OnExpire, idp.LoginExpired, "an answer is not kept for ever"},

	{idp.LoginCollected, idp.OnPassword, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnInvited, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnClosed, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnFactor, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnSpent, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnLinked, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnReset, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnAllow, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnRefuse, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnDeny, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnStartOver, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnCollect, refused, "one sign-in, one answer"},
	{idp.LoginCollected, idp.OnSession, refused, "collected is the end"},
	{idp.LoginCollected, idp.OnExpire, refused, "what is over does not run out"},

	{idp.LoginDenied, idp.OnPassword, refused, "no is no"},
	{idp.LoginDenied, idp.OnInvited, refused, "no is no"},
	{idp.LoginDenied, idp.OnClosed, refused, "no is no"},
	{idp.LoginDenied, idp.OnFactor, refused, "no is no"},
	{idp.LoginDenied, idp.OnSpent, refused, "no is no"},
	{idp.LoginDenied, idp.OnLinked, refused, "no is no"},
	{idp.LoginDenied, idp.OnReset, refused, "no is no"},
	{idp.LoginDenied, idp.OnAllow, refused, "a yes after a no comes from somebody else"},
	{idp.LoginDenied, idp.OnRefuse, refused, "said already"},
	{idp.LoginDenied, idp.OnDeny, refused, "said already"},
	{idp.LoginDenied, idp.OnStartOver, refused, "the application is told; it may begin anew"},
	{idp.LoginDenied, idp.OnCollect, idp.LoginCollected, "the application is told of the refusal, once"},
	{idp.LoginDenied, idp.OnSession, refused, "a no stays a no"},
	{idp.LoginDenied, idp.OnExpire, refused, "a refusal has nothing that could run out"},

	{idp.LoginExpired, idp.OnPassword, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnInvited, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnClosed, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnFactor, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnSpent, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnLinked, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnReset, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnAllow, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnRefuse, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnDeny, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnStartOver, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnCollect, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnSession, refused, "expired is the end"},
	{idp.LoginExpired, idp.OnExpire, refused, "expired once is expired"},
}

// proven is a sign-in with everything that forgetting has to take back.
func proven(state idp.LoginState) *idp.Login {
	return &idp.Login{
		ID: "L", Purpose: idp.ForClient, State: state, User: "U", Session: "S", Device: "D", Target: "/t",
		WrongCodes: 3, PasswordAt: noon, FactorAt: noon, AuthTime: noon, ACR: idp.ACRMultiFactor, AMR: []string{"pwd"},
		CreatedAt: noon, ExpiresAt: noon.Add(idp.LoginTTL),
	}
}

func TestLoginTable(t *testing.T) {
	type cell struct {
		from idp.LoginState
		on   idp.LoginInput
	}
	rows := map[cell]bool{}
	for _, row := range transitions {
		at := cell{row.from, row.on}
		if rows[at] {
			t.Errorf("two rows for %s in %s", row.on, row.from)
		}
		rows[at] = true
		t.Run(string(row.from)+"/"+string(row.on)+": "+row.why, func(t *testing.T) {
			l, before := proven(row.from), proven(row.from)
			err := l.Apply(row.on, noon)
			if row.to == refused {
				if !errors.Is(err, idp.ErrSettled) {
					t.Errorf("%v, want ErrSettled", err)
				}
				if !reflect.DeepEqual(l, before) {
					t.Errorf("refused, and yet changed: %+v", l)
				}
				return
			}
			if err != nil || l.State != row.to {
				t.Errorf("to %q (%v), want %q", l.State, err, row.to)
			}
			forgets := row.on == idp.OnSpent || row.on == idp.OnStartOver || row.on == idp.OnClosed || row.on == idp.OnSession
			if got := l.User == ""; got != forgets {
				t.Errorf("forgotten: %v, want %v", got, forgets)
			}
		})
	}
	for _, from := range idp.LoginStates {
		for _, on := range idp.LoginInputs {
			if !rows[cell{from, on}] {
				t.Errorf("no row for %q in state %q", on, from)
			}
			delete(rows, cell{from, on})
		}
	}
	for at := range rows {
		t.Errorf("a row for %q in %q, which LoginStates or LoginInputs do not list", at.on, at.from)
	}
}

// The lists that the table is made complete by are complete themselves.
func TestLoginListsAreComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "login.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string][]string{}
	for _, d := range file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			of, ok := v.Type.(*ast.Ident)
			if !ok {
				continue
			}
			for _, value := range v.Values {
				if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s, _ := strconv.Unquote(lit.Value)
					declared[of.Name] = append(declared[of.Name], s)
				}
			}
		}
	}
	var states, events []string
	for _, s := range idp.LoginStates {
		states = append(states, string(s))
	}
	for _, e := range idp.LoginInputs {
		events = append(events, string(e))
	}
	if !slices.Equal(declared["LoginState"], states) {
		t.Errorf("declared states %q, listed %q", declared["LoginState"], states)
	}
	if !slices.Equal(declared["LoginInput"], events) {
		t.Errorf("declared events %q, listed %q", declared["LoginInput"], events)
	}
}

// Past its time a sign-in knows one event only.
func TestLoginTimeIsUp(t *testing.T) {
	for _, row := range transitions {
		for _, late := range []time.Duration{0, time.Nanosecond, time.Hour} {
			l, before := proven(row.from), proven(row.from)
			err := l.Apply(row.on, l.ExpiresAt.Add(late))
			switch {
			case row.on != idp.OnExpire:
				if !errors.Is(err, idp.ErrExpired) || !reflect.DeepEqual(l, before) {
					t.Errorf("%s in %s, %s late: %v, %+v", row.on, row.from, late, err, l)
				}
			case row.to == refused:
				if !errors.Is(err, idp.ErrSettled) {
					t.Errorf("%s in %s: %v, want ErrSettled", row.on, row.from, err)
				}
			case err != nil || l.State != row.to:
				t.Errorf("%s in %s: %s (%v)", row.on, row.from, l.State, err)
			}
		}
	}
	l := proven(idp.LoginFactor)
	if err := l.Apply(idp.OnFactor, l.ExpiresAt.Add(-time.Nanosecond)); err != nil {
		t.Errorf("a moment before: %v", err)
	}
}

// Where consent is wanted, whatever leads to done leads to the question first.
func TestLoginConsentDetour(t *testing.T) {
	for _, row := range transitions {
		if row.to != idp.LoginDone {
			continue
		}
		for _, c := range []struct {
			name           string
			ask, consented bool
			to             idp.LoginState
		}{
			{name: "nobody asks", to: idp.LoginDone},
			{name: "asked", ask: true, to: idp.LoginConsent},
			{name: "asked and answered", ask: true, consented: true, to: idp.LoginDone},
		} {
			to := c.to
			if row.on == idp.OnAllow {
				to = idp.LoginDone // this is the answer
			}
			l := proven(row.from)
			l.AskConsent, l.Consented = c.ask, c.consented
			if err := l.Apply(row.on, noon); err != nil || l.State != to {
				t.Errorf("%s in %s, %s: to %q (%v), want %q", row.on, row.from, c.name, l.State, err, to)
			}
			if row.on == idp.OnAllow && !l.Consented {
				t.Error("a yes was not noted")
			}
		}
	}
	l := proven(idp.LoginConsent)
	l.AskConsent = true
	if err := l.Apply(idp.OnRefuse, noon); err != nil || l.Consented {
		t.Errorf("a no: consented %v (%v)", l.Consented, err)
	}
}

// A step-up that leads back to the password could become somebody else's.
func TestLoginStepUpNeverAtThePassword(t *testing.T) {
	for _, row := range transitions {
		l := proven(row.from)
		l.Purpose = idp.ForStepUp
		err := l.Apply(row.on, noon)
		if err == nil && l.State == idp.LoginPassword {
			t.Errorf("%s in %s leads a step-up to the password", row.on, row.from)
		}
		if row.to == idp.LoginPassword && (err != nil || l.State != idp.LoginDenied) {
			t.Errorf("%s in %s: %s (%v), want denied", row.on, row.from, l.State, err)
		}
	}
}

// A new password in hand came by a link, not by the password of before: nobody
// goes on with it, or past it, to somebody else's account.
func TestLoginWithANewPassword(t *testing.T) {
	for _, row := range transitions {
		l, before := proven(row.from), proven(row.from)
		l.Purpose, l.NewHash, before.Purpose, before.NewHash = idp.ForInvitation, "phc", idp.ForInvitation, "phc"
		err := l.Apply(row.on, noon)
		if row.on == idp.OnSession { // a session is no answer to a link
			row.to = refused
		}
		to, kept := row.to, ""
		switch row.to {
		case refused:
			if !errors.Is(err, idp.ErrSettled) || !reflect.DeepEqual(l, before) {
				t.Errorf("%s in %s: %v, %+v", row.on, row.from, err, l)
			}
			continue
		case idp.LoginPassword, idp.LoginFirst:
			to = idp.LoginDenied
		case idp.LoginFactor, idp.LoginLast, idp.LoginEnrol, idp.LoginConsent, idp.LoginDone, idp.LoginCollected:
			kept = "phc"
		case idp.LoginDenied, idp.LoginExpired: // nothing can come of it
		}
		if err != nil || l.State != to || l.NewHash != kept {
			t.Errorf("%s in %s: to %q with %q (%v), want %q with %q", row.on, row.from, l.State, l.NewHash, err, to, kept)
		}
	}
}

// Starting over, or losing all tries, takes back all that was proven and keeps
// what the sign-in is for.
func TestLoginForgets(t *testing.T) {
	for _, c := range []struct {
		from idp.LoginState
		on   idp.LoginInput
	}{
		{idp.LoginFactor, idp.OnSpent}, {idp.LoginFactor, idp.OnStartOver}, {idp.LoginConsent, idp.OnStartOver},
	} {
		l := proven(c.from)
		l.AskConsent, l.Consented = true, true
		l.Request = idp.AuthRequest{Client: "C", State: "s", HintUser: "U"}
		if err := l.Apply(c.on, noon); err != nil {
			t.Fatal(err)
		}
		want := &idp.Login{
			ID: "L", Purpose: idp.ForClient, State: idp.LoginPassword, Session: "S", Target: "/t", AskConsent: true,
			Request:   idp.AuthRequest{Client: "C", State: "s", HintUser: "U"},
			CreatedAt: noon, ExpiresAt: noon.Add(idp.LoginTTL),
		}
		if !reflect.DeepEqual(l, want) {
			t.Errorf("%s in %s leaves\n%+v, want\n%+v", c.on, c.from, l, want)
		}
	}
}

func TestLoginFinal(t *testing.T) {
	for _, s := range idp.LoginStates {
		want := !slices.ContainsFunc(transitions, func(r transition) bool { return r.from == s && r.to != refused })
		if got := (&idp.Login{State: s}).Final(); got != want {
			t.Errorf("%s: final %v, want %v", s, got, want)
		}
	}
}

func TestAuthRequestPrompts(t *testing.T) {
	r := idp.AuthRequest{Prompt: []string{"login", "consent"}}
	if !r.Prompts("login") || !r.Prompts("consent") || r.Prompts("none") || r.Prompts("log") {
		t.Error("prompt values are compared whole")
	}
}
