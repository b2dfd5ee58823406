package desk

import (
	"context"
	"net/http"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
	"hilum/templates"
)

// personAct is something that is done to one person: what is asked before, and
// what is said after.
type personAct struct {
	name             string // of its page, and the end of its path
	act              admin.Act
	title, text, yes string // message keys; the title names the person, yes is on the button
	danger           bool   // the button warns
	reason           bool   // a reason is asked for
	link             string // message key of what its one-time link is for; empty: it makes none
	did              string // where it makes none, the key in deskDid of what the person's page opens with
	// do does it, and returns the devices that it was to unlink and the one-time link.
	do func(ctx context.Context, d Acts, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error)
}

// personActs are all of them. Each is a page that asks, and a form that does it.
var personActs = []personAct{
	{
		name: "reopen", act: admin.Reopen, title: "admin.reopen.title", text: "admin.reopen.lead", yes: "admin.reopen.yes", danger: true, reason: true, link: "admin.link.enrol",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return d.Reopen(ctx, by, user, reason, via)
		},
	},
	{
		name: "reset", act: admin.ResetPassword, title: "admin.reset.title", text: "admin.reset.lead", yes: "admin.reset.yes", link: "admin.link.reset",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, _ string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			link, err := d.ResetPassword(ctx, by, user, via)
			return nil, link, err
		},
	},
	{
		name: "invite", act: admin.Invite, title: "admin.invite.title", text: "admin.invite.lead", yes: "admin.invite.yes", link: "admin.link.enrol",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, _ string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			link, err := d.Invite(ctx, by, user, via)
			return nil, link, err
		},
	},
	{
		name: "unlock", act: admin.Unlock, title: "admin.unlock.title", text: "admin.unlock.lead", yes: "admin.unlock.yes", did: "unlocked",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, _ string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return nil, nil, d.Unlock(ctx, by, user)
		},
	},
	{
		name: "block", act: admin.BlockUsers, title: "admin.block.title", text: "admin.block.lead", yes: "admin.block.yes", danger: true, reason: true, did: "blocked",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, reason string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return nil, nil, d.Disable(ctx, by, user, reason)
		},
	},
	{
		name: "unblock", act: admin.BlockUsers, title: "admin.unblock.title", text: "admin.unblock.lead", yes: "admin.unblock.yes", did: "unblocked",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, _ string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return nil, nil, d.Enable(ctx, by, user)
		},
	},
	{
		name: "end", act: admin.EndSessions, title: "admin.end.title", text: "admin.end.lead", yes: "admin.end.yes", danger: true, did: "ended",
		do: func(ctx context.Context, d Acts, by admin.By, user idp.UserID, reason string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			_, err := d.EndSessions(ctx, by, user, reason)
			return nil, nil, err
		},
	},
}

func userPath(id idp.UserID) string { return peoplePath + "/" + string(id) }

// subject returns the account that a page is about. Errors: idp.ErrNotFound, and
// idp.ErrDenied where this role may not act upon it.
func (s *people) subject(r *http.Request, p staff, act admin.Act) (*idp.User, error) {
	id := page.PathID[idp.UserID](r, "id")
	if !page.IsID(string(id)) {
		return nil, idp.ErrNotFound
	}
	u, err := s.desk.User(r.Context(), p.by, id)
	if err != nil {
		return nil, err
	}
	if !act.Reads() && !p.mayUpon(act, u) {
		return nil, idp.ErrDenied
	}
	return u, nil
}

// askFor answers with the page that asks before an act.
func (s *people) askFor(a personAct) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		u, err := s.subject(r, p, a.act)
		if err != nil {
			return err
		}
		return s.ask(w, r, p, http.StatusOK, u, a, templates.Ask{})
	}
}

// ask shows the page that asks before an act; ask holds what was typed and is wrong.
func (s *people) ask(w http.ResponseWriter, r *http.Request, p staff, status int, u *idp.User, a personAct, ask templates.Ask) error {
	ask.Frame = s.frame(r, p, "users")
	ask.Title, ask.Text, ask.Yes = templates.Say(a.title, "Name", deskPersonOf(u).Shown), templates.Say(a.text), templates.Say(a.yes)
	ask.Danger, ask.Reason = a.danger, a.reason
	if a.link != "" {
		ask.Way.Mail, ask.Way.To = s.mail, u.Email
	}
	ask.Action, ask.Back = r.URL.EscapedPath(), userPath(u.ID)
	return s.door.Render(w, status, ask)
}

// viaOf is how a form wants a one-time link to get to the person: it is shown, unless the
// form says that it is mailed.
func viaOf(r *http.Request) admin.Via {
	if r.PostFormValue("via") == string(admin.ViaMail) {
		return admin.ViaMail
	}
	return admin.ViaLink
}

// doFor does an act. Where it makes a link that is not mailed it answers the POST
// with a page: the link is shown this once, and of its token only a hash is kept.
func (s *people) doFor(a personAct) handler {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		u, err := s.subject(r, p, a.act)
		if err != nil {
			return err
		}
		reason, via := r.PostFormValue("reason"), viaOf(r)
		gone, link, err := a.do(r.Context(), s.desk, p.by, u.ID, reason, via)
		again := templates.Ask{Typed: reason, Way: templates.Way{Link: via == admin.ViaLink}}
		var ok bool
		if again.Problem, ok = s.reasonProblem(err); !ok {
			again.Wrong, again.Problem, ok = s.wayProblem(err)
		}
		if ok {
			return s.ask(w, r, p, http.StatusUnprocessableEntity, u, a, again)
		}
		switch {
		case err != nil:
			return err
		case link == nil:
			return page.SeeOther(w, r, userPath(u.ID)+"?did="+a.did)
		case link.To != "":
			return page.SeeOther(w, r, userPath(u.ID)+"?did=mailed")
		}
		view := templates.AdminLink{Text: templates.Say(a.link)}
		for _, one := range gone {
			if one.Err == nil {
				view.Unlinked = append(view.Unlinked, one.Name)
			}
		}
		return s.showOneTimeLink(w, r, p, u, link, view)
	}
}

// wayProblem returns why a link cannot go the way that was chosen, and the name of the
// field with the choice; false for an err about something else.
func (s *people) wayProblem(err error) (wrong string, problem templates.Message, ok bool) {
	field, problem, ok := s.door.FieldProblem(err)
	if !ok || field != "mail" && field != "email" {
		return "", templates.Message{}, false
	}
	return "via", problem, true
}

// showOneTimeLink shows a link that the administrator gives to the person themselves.
func (s *people) showOneTimeLink(w http.ResponseWriter, r *http.Request, p staff, u *idp.User, link *admin.Link, view templates.AdminLink) error {
	view.Frame = s.frame(r, p, "users")
	view.Here = "" // coming back does not show it again
	view.Person = deskPersonOf(u)
	view.Link, view.ExpiresAt = s.door.Origin()+"/invite/"+link.Token.Reveal(), link.ExpiresAt
	view.Next = userPath(u.ID)
	return s.door.Render(w, http.StatusOK, view)
}
