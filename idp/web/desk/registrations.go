package desk

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// registrations is the initial access tokens, by which applications register themselves.
type registrations struct {
	room
	desk Clients
	on   bool // they may, by the setting
}

// view is the page with what is good by default in its form.
func (s *registrations) view(r *http.Request, p staff) (templates.AdminRegistration, error) {
	view := templates.AdminRegistration{
		Frame: s.frame(r, p, "applications"), Off: !s.on, Endpoint: s.door.Origin() + "/register", MayEdit: p.may(admin.EditClients),
		Code: true, Refresh: true, Scopes: "openid profile email", Uses: "1", Days: "7",
	}
	all, err := s.desk.RegistrationTokens(r.Context(), p.by)
	if err != nil {
		return view, err
	}
	clients, err := s.desk.Clients(r.Context(), p.by)
	open := map[idp.RegistrationTokenID]bool{}
	for i := range clients {
		open[clients[i].RegisteredBy] = open[clients[i].RegisteredBy] || !clients[i].Disabled
	}
	now := s.door.Now()
	for i := range all {
		t := &all[i]
		row := templates.RegistrationLine{
			ID: string(t.ID), Name: t.Name, MadeBy: t.MadeBy, Grants: t.GrantTypes, Scopes: t.Scopes, Hosts: t.Hosts, Used: t.Used, Uses: t.Uses,
			MadeAt: t.CreatedAt, EndsAt: t.ExpiresAt, UsedAt: t.LastUsedAt, OptionalPKCE: t.OptionalPKCE,
			Blocks: open[t.ID],
		}
		state := t.State(now)
		row.Revoked, row.Spent, row.Expired = state == "revoked", state == "used up", state == "expired"
		view.Rows = append(view.Rows, row)
	}
	return view, err
}

func (s *registrations) list(w http.ResponseWriter, r *http.Request, p staff) error {
	view, err := s.view(r, p)
	if err != nil {
		return err
	}
	switch r.URL.Query().Get("did") {
	case "revoked":
		view.Note = templates.Say("registration.revoked.done")
	case "blocked":
		view.Note = templates.Say("registration.blocked.done")
	}
	return s.door.Render(w, http.StatusOK, view)
}

// add makes a token and answers the POST with a page: it is shown this once.
func (s *registrations) add(w http.ResponseWriter, r *http.Request, p staff) error {
	view, err := s.view(r, p)
	if err != nil {
		return err
	}
	typed := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	view.Name, view.Scopes, view.Hosts, view.Uses, view.Days = typed("name"), typed("scopes"), typed("hosts"), typed("uses"), typed("days")
	t := idp.RegistrationToken{Name: view.Name, Scopes: strings.Fields(view.Scopes), Hosts: strings.Fields(view.Hosts)}
	for _, g := range []struct {
		field, grant string
		ticked       *bool
	}{
		{"grant_code", idp.GrantCode, &view.Code}, {"grant_refresh", idp.GrantRefresh, &view.Refresh}, {"grant_credentials", idp.GrantClientCredentials, &view.Credentials},
	} {
		if *g.ticked = r.PostFormValue(g.field) == "1"; *g.ticked {
			t.GrantTypes = append(t.GrantTypes, g.grant)
		}
	}
	view.OptionalPKCE = r.PostFormValue("optional_pkce") == "1"
	t.OptionalPKCE = view.OptionalPKCE
	t.Uses, _ = strconv.Atoi(view.Uses) // 0, which is refused, for what is no number
	days, _ := strconv.Atoi(view.Days)
	t.ExpiresAt = s.door.Now().Add(time.Duration(min(max(days, 0), 9999)) * 24 * time.Hour)
	secret, err := s.desk.AddRegistrationToken(r.Context(), p.by, &t)
	if errors.Is(err, idp.ErrTooMany) {
		err = &idp.FieldError{Field: "name", Message: "registration.many"}
	}
	if err != nil {
		var ok bool
		if view.Wrong, view.Problem, ok = s.door.FieldProblem(err); !ok {
			return err
		}
		if strings.HasPrefix(view.Problem.Key, "client.grants.") {
			view.Problem = templates.Say("apps.wrong.grants")
		}
		return s.door.Render(w, http.StatusUnprocessableEntity, view)
	}
	view.Here = "" // coming back does not show it again
	view.Secret = secret.Reveal()
	return s.door.Render(w, http.StatusOK, view)
}

// token returns the token that a path names. Errors: idp.ErrNotFound.
func (s *registrations) token(r *http.Request, p staff) (*idp.RegistrationToken, error) {
	all, err := s.desk.RegistrationTokens(r.Context(), p.by)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(t idp.RegistrationToken) bool { return string(t.ID) == r.PathValue("token") })
	if i < 0 {
		return nil, idp.ErrNotFound
	}
	return &all[i], nil
}

// asked is the question whether what cannot be undone is meant for a token, by the keys of its words.
func (s *registrations) asked(r *http.Request, p staff, t *idp.RegistrationToken, title, lead, yes string) templates.Ask {
	return templates.Ask{
		Frame: s.frame(r, p, "applications"), Title: templates.Say(title, "Name", t.Name), Text: templates.Say(lead),
		Yes: templates.Say(yes), Danger: true, Action: r.URL.EscapedPath(), Back: registrationPath,
	}
}

func (s *registrations) askRevoke(w http.ResponseWriter, r *http.Request, p staff) error {
	t, err := s.token(r, p)
	if err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, s.asked(r, p, t, "registration.revoke.title", "registration.revoke.lead", "registration.revoke.yes"))
}

func (s *registrations) revoke(w http.ResponseWriter, r *http.Request, p staff) error {
	t, err := s.token(r, p)
	if err != nil {
		return err
	}
	if err := s.desk.RevokeRegistrationToken(r.Context(), p.by, t.ID); err != nil && !errors.Is(err, idp.ErrSettled) {
		return err
	}
	return page.SeeOther(w, r, registrationPath+"?did=revoked")
}

func (s *registrations) askBlock(w http.ResponseWriter, r *http.Request, p staff) error {
	t, err := s.token(r, p)
	if err != nil {
		return err
	}
	clients, err := s.desk.Clients(r.Context(), p.by)
	if err != nil {
		return err
	}
	ask := s.asked(r, p, t, "registration.block.title", "registration.block.lead", "registration.block.yes")
	for i := range clients {
		if c := &clients[i]; c.RegisteredBy == t.ID && !c.Disabled {
			ask.Lines = append(ask.Lines, templates.AskLine{Name: c.Name, Of: string(c.ID)})
		}
	}
	return s.door.Render(w, http.StatusOK, ask)
}

func (s *registrations) block(w http.ResponseWriter, r *http.Request, p staff) error {
	t, err := s.token(r, p)
	if err != nil {
		return err
	}
	if _, err := s.desk.BlockRegistered(r.Context(), p.by, t.ID); err != nil {
		return err
	}
	return page.SeeOther(w, r, registrationPath+"?did=blocked")
}
