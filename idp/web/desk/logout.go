package desk

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/web/page"
	"hilum/templates"
)

// refusalWords say why an application could not be told that a session has ended.
var refusalWords = map[idp.Refusal]templates.Message{
	"":                     {},
	idp.RefusedUnreachable: templates.Say("logout.said.unreachable"),
	idp.RefusedTimeout:     templates.Say("logout.said.timeout"),
	idp.RefusedCertificate: templates.Say("logout.said.certificate"),
	idp.RefusedForbidden:   templates.Say("logout.said.forbidden"),
	idp.RefusedGone:        templates.Say("logout.said.gone"),
	idp.RefusedKey:         templates.Say("logout.said.key"),
}

// refusalOf says why an application could not be told, by the status that it answered with
// where there is no other word.
func refusalOf(said idp.Refusal) templates.Message {
	if words, ok := refusalWords[said]; ok {
		return words
	}
	status, _ := strings.CutPrefix(string(said), "status ")
	return templates.Say("logout.said.status", "Status", status)
}

// endedOf is a session that has ended, with its place in a language (BCP 47), and which
// applications were told of it.
func (s *room) endedOf(e *idp.EndedSession, lang string) templates.DeskEnded {
	t := templates.DeskEnded{
		Person: deskPersonOf(&e.User), Browser: page.BrowserWords(e.Session.Agent), Where: s.door.Where(e.Session.Address, lang), At: e.Session.EndedAt,
	}
	for i := range e.Notices {
		n := &e.Notices[i]
		line := templates.ToldLine{App: e.Name(n.Client), State: "waiting", Said: refusalOf(n.Said), At: n.TriedAt}
		switch {
		case n.Told:
			line.State = "told"
		case !n.Waits():
			line.State = "failed"
		}
		t.Told = append(t.Told, line)
	}
	_, left := e.Tells()
	for _, c := range left {
		t.Left = append(t.Left, e.Name(c))
	}
	slices.Sort(t.Left)
	return t
}

func (s *room) endedList(ended []idp.EndedSession, lang string) []templates.DeskEnded {
	var out []templates.DeskEnded
	for i := range ended {
		out = append(out, s.endedOf(&ended[i], lang))
	}
	return out
}

// endedNote says which applications are told of what was just ended: one session that the
// query names, else all of ended that ended at the latest moment. Where none is told, or
// nothing was just ended, it is deskNote.
func (s *people) endedNote(r *http.Request, p staff, ended []idp.EndedSession) (templates.Message, error) {
	note := deskNote(r)
	if r.URL.Query().Get("did") != "ended" {
		return note, nil
	}
	if id := r.URL.Query().Get("session"); page.IsID(id) {
		one, err := s.desk.EndedSession(r.Context(), p.by, idp.SessionID(id))
		if errors.Is(err, idp.ErrNotFound) {
			return note, nil
		}
		if err != nil {
			return note, err
		}
		ended = []idp.EndedSession{*one}
	}
	var names []string
	for i := range ended {
		if !ended[i].Session.EndedAt.Equal(ended[0].Session.EndedAt) {
			break
		}
		told, _ := ended[i].Tells()
		for _, c := range told {
			names = append(names, ended[i].Name(c))
		}
	}
	if len(names) == 0 {
		return note, nil
	}
	slices.Sort(names)
	return templates.Say("admin.ended.told", "Apps", strings.Join(slices.Compact(names), ", ")), nil
}

// logoutLine is how telling an application that sessions have ended fares; name is the
// application's.
func logoutLine(name string, f *idp.LogoutFigures) templates.LogoutLine {
	return templates.LogoutLine{ID: string(f.Client), App: name, OldestAt: f.OldestAt, FailedAt: f.FailedAt, Said: refusalOf(f.Said), Waiting: upTo(f.Waiting), Lost: upTo(f.Lost)}
}
