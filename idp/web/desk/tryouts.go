package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/serve"
	"hilum/idp/web/page"
	"hilum/templates"
)

// tryouts is the test sign-ins.
type tryouts struct {
	room
	desk interface {
		Tryouts
		Clients
		Starts
	}
	party Party
}

// Party is the relying party that is built in; *tryout.Party implements it, and says what
// each method does.
type Party interface {
	Begin(ctx context.Context, ask *idp.TryoutAsk) (string, error)
	Finish(ctx context.Context, ask *idp.TryoutAsk, answer url.Values) *idp.TryoutResult
}

// TryCallback is the path of the only redirect URI of test sign-ins.
const TryCallback = "/admin/try/callback"

func tryPath(id idp.TryoutID) string { return "/admin/try/" + string(id) }

// where is the session and the browser that a test sign-in belongs to.
func (p staff) where() admin.Where {
	return admin.Where{Session: p.Session.ID, Browser: p.Browser.ID}
}

// page says what a test sign-in does, and asks how to begin: within this session, or with
// a sign-in anew.
func (s *tryouts) page(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, s.tryPage(r, p, c))
}

func (s *tryouts) tryPage(r *http.Request, p staff, c *idp.Client) templates.AdminTry {
	return templates.AdminTry{Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Consent: c.Consent}
}

// begin sends the browser to sign in to the application's double.
func (s *tryouts) begin(w http.ResponseWriter, r *http.Request, p staff) error {
	how := r.PostFormValue("how")
	if how != "again" && how != "session" {
		return page.ErrForm
	}
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	ask, err := s.desk.StartTryout(r.Context(), p.by, p.where(), c.ID, s.door.Origin()+TryCallback, how == "again")
	if err != nil {
		_, problem, ok := s.door.FieldProblem(err)
		if !ok {
			return err
		}
		view := s.tryPage(r, p, c)
		view.Problem = problem
		return s.door.Render(w, http.StatusUnprocessableEntity, view)
	}
	to, err := s.party.Begin(r.Context(), ask)
	if err != nil {
		return fmt.Errorf("test sign-in: %w", err)
	}
	return page.SeeOther(w, r, to)
}

// callback is where the browser comes back to with an authorization response (RFC 6749,
// section 4.1.2), as it would to the application. Whatever is not the response to a test
// that was begun in this very session and browser, and not answered yet, is refused:
// nobody can have their own response finished in an administrator's browser, nor take one
// out of it. The response is used up before anything is done with it, and the page that
// shows the result has neither code nor state in its address.
func (s *tryouts) callback(w http.ResponseWriter, r *http.Request, p staff) error {
	answer := r.URL.Query()
	if state := answer["state"]; len(state) != 1 || state[0] == "" || len(r.URL.RawQuery) > maxAnswer {
		return idp.ErrNotFound
	}
	t, ask, err := s.desk.AnswerTryout(r.Context(), p.by, p.where(), idp.Secret(answer.Get("state")))
	if err != nil {
		return s.tryFault(w, r, err)
	}
	serve.From(r.Context()).Note(slog.String("test", string(t.ID)), slog.String("client", string(t.Of)))
	result := s.party.Finish(r.Context(), ask, answer)
	// Whoever has left meanwhile still leaves an outcome.
	if err := s.desk.EndTryout(context.WithoutCancel(r.Context()), p.by, t.ID, result); err != nil {
		return s.tryFault(w, r, err)
	}
	return page.SeeOther(w, r, tryPath(t.ID))
}

// maxAnswer bounds the query of an authorization response, in bytes.
const maxAnswer = 4 << 10

// tryFault answers where a test sign-in is not there, has expired, or was answered before.
// An err with another meaning is returned.
func (s *tryouts) tryFault(w http.ResponseWriter, r *http.Request, err error) error {
	n := templates.Notice{Kind: "bad", Link: appsPath, LinkText: templates.Say("apps.back"), Reference: serve.From(r.Context()).ID}
	status := http.StatusGone
	switch {
	case errors.Is(err, idp.ErrNotFound):
		status = http.StatusNotFound
		n.Title, n.Text = templates.Say("try.none.title"), templates.Say("try.none.text")
	case errors.Is(err, idp.ErrExpired):
		n.Title, n.Text = templates.Say("try.expired.title"), templates.Say("try.expired.text")
	case errors.Is(err, idp.ErrSettled):
		status = http.StatusConflict
		n.Title, n.Text = templates.Say("try.settled.title"), templates.Say("try.settled.text")
	default:
		return err
	}
	serve.From(r.Context()).Note(slog.String("refused", n.Title.Key))
	s.door.Notice(w, r, status, n)
	return nil
}

// tryWhy says what went wrong, in words that can be acted on, by idp.TryoutStep.Why.
var tryWhy = map[string]templates.Message{
	"try.why.discovery": templates.Say("try.why.discovery"),
	"try.why.denied":    templates.Say("try.why.denied"),
	"try.why.groups":    templates.Say("try.why.groups"),
	"try.why.phone":     templates.Say("try.why.phone"),
	"try.why.cancelled": templates.Say("try.why.cancelled"),
	"try.why.consent":   templates.Say("try.why.consent"),
	"try.why.refused":   templates.Say("try.why.refused"),
	"try.why.answer":    templates.Say("try.why.answer"),
	"try.why.issuer":    templates.Say("try.why.issuer"),
	"try.why.exchange":  templates.Say("try.why.exchange"),
	"try.why.server":    templates.Say("try.why.server"),
	"try.why.noid":      templates.Say("try.why.noid"),
	"try.why.id":        templates.Say("try.why.id"),
	"try.why.nonce":     templates.Say("try.why.nonce"),
	"try.why.subject":   templates.Say("try.why.subject"),
	"try.why.userinfo":  templates.Say("try.why.userinfo"),
}

// trySteps are the steps of a test sign-in in their order, by idp.TryoutStep.Name, with
// what they are called on screen.
var trySteps = []struct {
	name  string
	label templates.Message
}{
	{"discovery", templates.Say("try.step.discovery")},
	{"signin", templates.Say("try.step.signin")},
	{"answer", templates.Say("try.step.answer")},
	{"exchange", templates.Say("try.step.exchange")},
	{"id_token", templates.Say("try.step.id")},
	{"userinfo", templates.Say("try.step.userinfo")},
}

// tryMethods say which second factor was given, or that the session answered, by
// idp.TryoutResult.Method.
var tryMethods = map[string]templates.Message{
	"push": templates.Say("try.method.push"), "code": templates.Say("try.method.code"), "recovery": templates.Say("try.method.recovery"), "session": templates.Say("try.method.session"),
}

func (s *tryouts) one(w http.ResponseWriter, r *http.Request, p staff) error {
	t, err := s.desk.Tryout(r.Context(), p.by, page.PathID[idp.TryoutID](r, "id"))
	if err != nil {
		return s.tryFault(w, r, err)
	}
	c, err := s.desk.Client(r.Context(), p.by, t.Of)
	if err != nil {
		return err
	}
	view := templates.AdminTried{Frame: s.frame(r, p, "applications"), App: deskAppOf(c), MayEdit: p.may(admin.EditClients), Waiting: t.Result == nil}
	if start, err := s.desk.Start(r.Context(), p.by); err != nil {
		return err
	} else if p.may(admin.EditClients) {
		view.Start = !start.Aside
	}
	if t.Result == nil {
		view.Over = t.Live(s.door.Now()) != nil || !t.AnsweredAt.IsZero()
		return s.door.Render(w, http.StatusOK, view)
	}
	res := t.Result
	view.OK, view.At, view.By, view.Alg, view.Refresh = res.OK(), t.EndedAt, p.User.Name, res.Alg, res.Refresh
	view.Asked, view.Scopes, view.JWT, view.Method = res.Asked, res.Scopes, res.Access == "jwt", tryMethods[res.Method]
	view.Minutes = int(res.Expires / time.Minute)
	for i, known := range trySteps {
		line := templates.TryStep{Label: known.label, Skipped: i >= len(res.Steps)}
		if i < len(res.Steps) {
			step := res.Steps[i]
			line.OK, line.Said, line.Why = step.OK, step.Said, tryWhy[step.Why]
			line.Took = tookWords(step.Took)
			if !step.OK {
				view.Failed = line.Why
			}
		}
		view.Steps = append(view.Steps, line)
	}
	if view.IDToken, view.IDTokenJSON, err = claimTable(res.IDToken); err != nil {
		return err
	}
	if view.Userinfo, view.UserinfoJSON, err = claimTable(res.Userinfo); err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, view)
}

func tookWords(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	}
	return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
}

// claimTable makes a table of the claims of a JSON object, in its order, and the JSON with
// indents, as people read it.
func claimTable(raw json.RawMessage) (rows []templates.ClaimLine, text string, err error) {
	if len(raw) == 0 {
		return nil, "", nil
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return nil, "", err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, "", err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, "", err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, "", err
		}
		line := templates.ClaimLine{Name: fmt.Sprint(name)}
		var text string
		var list []string
		switch {
		case json.Unmarshal(value, &text) == nil:
			line.Value = text
		case json.Unmarshal(value, &list) == nil:
			line.Value = strings.Join(list, ", ")
		default:
			line.Value = string(value)
		}
		if at := (int64)(0); isMoment[line.Name] && json.Unmarshal(value, &at) == nil {
			line.At = time.Unix(at, 0)
		}
		rows = append(rows, line)
	}
	return rows, pretty.String(), nil
}

// isMoment has the claims that are a NumericDate, in seconds since 1970 (RFC 7519, section
// 2; updated_at of OpenID Connect Core 1.0, section 5.1).
var isMoment = map[string]bool{"exp": true, "iat": true, "nbf": true, "auth_time": true, "updated_at": true}

// maxStartApps is how many applications the first steps offer to test.
const maxStartApps = 5
