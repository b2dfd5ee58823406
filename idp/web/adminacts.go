package web

import (
	"context"
	"net/http"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates"
)

// personAct is something that is done to one person: what is asked before, and
// what is said after.
type personAct struct {
	act              admin.Act
	title, text, yes string // message keys; the title names the person
	danger           bool
	reason           bool   // is asked for
	link             string // message key of what a link is for; empty: there is none
	did              string // else the name of the sentence that the person's page opens with
	do               func(ctx context.Context, d Desk, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error)
}

var (
	reopenAct = personAct{
		act: admin.Reopen, title: "admin.reopen.title", text: "admin.reopen.lead", yes: "admin.reopen.yes", danger: true, reason: true, link: "admin.link.enrol",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, reason string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return d.Reopen(ctx, by, user, reason, via)
		},
	}
	resetAct = personAct{
		act: admin.ResetPassword, title: "admin.reset.title", text: "admin.reset.lead", yes: "admin.reset.yes", link: "admin.link.reset",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, _ string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			link, err := d.ResetPassword(ctx, by, user, via)
			return nil, link, err
		},
	}
	inviteAct = personAct{
		act: admin.Invite, title: "admin.invite.title", text: "admin.invite.lead", yes: "admin.invite.yes", link: "admin.link.enrol",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, _ string, via admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			link, err := d.Invite(ctx, by, user, via)
			return nil, link, err
		},
	}
	unlockAct = personAct{
		act: admin.Unlock, title: "admin.unlock.title", text: "admin.unlock.lead", yes: "admin.unlock.yes", did: "unlocked",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, _ string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return nil, nil, d.Unlock(ctx, by, user)
		},
	}
	blockAct = personAct{
		act: admin.BlockUsers, title: "admin.block.title", text: "admin.block.lead", yes: "admin.block.yes", danger: true, reason: true, did: "blocked",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, reason string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return nil, nil, d.Disable(ctx, by, user, reason)
		},
	}
	unblockAct = personAct{
		act: admin.BlockUsers, title: "admin.unblock.title", text: "admin.unblock.lead", yes: "admin.unblock.yes", did: "unblocked",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, _ string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			return nil, nil, d.Enable(ctx, by, user)
		},
	}
	endAct = personAct{
		act: admin.EndSessions, title: "admin.end.title", text: "admin.end.lead", yes: "admin.end.yes", danger: true, did: "ended",
		do: func(ctx context.Context, d Desk, by admin.By, user idp.UserID, reason string, _ admin.Via) ([]admin.Unlinked, *admin.Link, error) {
			_, err := d.EndSessions(ctx, by, user, reason)
			return nil, nil, err
		},
	}
)

func userPath(id idp.UserID) string { return places["admin-users"] + "/" + string(id) }

// subject returns the account that a page is about. Errors: idp.ErrNotFound, and
// idp.ErrDenied where this role may not act upon it.
func (s *Server) subject(r *http.Request, p staff, act admin.Act) (*idp.User, error) {
	id := pathID[idp.UserID](r, "id")
	if !isID(string(id)) {
		return nil, idp.ErrNotFound
	}
	u, err := s.Desk.User(r.Context(), p.by, id)
	if err != nil {
		return nil, err
	}
	if !act.Reads() && !p.mayUpon(act, u) {
		return nil, idp.ErrDenied
	}
	return u, nil
}

// askFor asks before an act.
func (s *Server) askFor(a personAct) func(http.ResponseWriter, *http.Request, staff) error {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		u, err := s.subject(r, p, a.act)
		if err != nil {
			return err
		}
		return s.ask(w, r, p, http.StatusOK, u, a, templates.Ask{})
	}
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, p staff, status int, u *idp.User, a personAct, ask templates.Ask) error {
	ask.Frame = s.adminFrame(r, p, "users")
	ask.Title, ask.Text, ask.Yes = templates.Say(a.title, "Name", deskPersonOf(u).Shown), templates.Say(a.text), templates.Say(a.yes)
	ask.Danger, ask.Reason = a.danger, a.reason
	if a.link != "" {
		ask.Way.Mail, ask.Way.To = s.Mail, u.Email
	}
	ask.Action, ask.Back = r.URL.EscapedPath(), userPath(u.ID)
	return s.render(w, status, ask)
}

// viaOf is how somebody wants a link to get to the person; as it was before
// there was mail, where they do not say.
func viaOf(r *http.Request) admin.Via {
	if r.PostFormValue("via") == string(admin.ViaMail) {
		return admin.ViaMail
	}
	return admin.ViaLink
}

// doFor does an act. Where it makes a link that is not mailed it answers the POST
// with a page: the link is shown this once, and its token kept nowhere.
func (s *Server) doFor(a personAct) func(http.ResponseWriter, *http.Request, staff) error {
	return func(w http.ResponseWriter, r *http.Request, p staff) error {
		u, err := s.subject(r, p, a.act)
		if err != nil {
			return err
		}
		reason, via := r.PostFormValue("reason"), viaOf(r)
		gone, link, err := a.do(r.Context(), s.Desk, p.by, u.ID, reason, via)
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
			return seeOther(w, r, userPath(u.ID)+"?did="+a.did)
		case link.To != "":
			return seeOther(w, r, userPath(u.ID)+"?did=mailed")
		}
		page := templates.AdminLink{Text: templates.Say(a.link)}
		for _, one := range gone {
			if one.Err == nil {
				page.Unlinked = append(page.Unlinked, one.Name)
			}
		}
		return s.showOneTimeLink(w, r, p, u, link, page)
	}
}

// wayProblem returns why a link cannot go the way that was chosen.
func (s *Server) wayProblem(err error) (wrong string, problem templates.Message, ok bool) {
	field, problem, ok := s.fieldProblem(err)
	if !ok || field != "mail" && field != "email" {
		return "", templates.Message{}, false
	}
	return "via", problem, true
}

func (s *Server) showOneTimeLink(w http.ResponseWriter, r *http.Request, p staff, u *idp.User, link *admin.Link, page templates.AdminLink) error {
	page.Frame = s.adminFrame(r, p, "users")
	page.Here = "" // coming back does not show it again
	page.Person = deskPersonOf(u)
	page.Link, page.ExpiresAt = s.Origin+"/invite/"+link.Token.Reveal(), link.ExpiresAt
	page.Next = userPath(u.ID)
	return s.render(w, http.StatusOK, page)
}
