package web

import (
	"net/http"
	"strings"
	"unicode"

	"github.com/mileusna/useragent"

	"hilum/idp"
	"hilum/templates"
)

func (s *Server) sessions(w http.ResponseWriter, r *http.Request, p who) error {
	list, err := s.Logins.Sessions(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	page := templates.Sessions{Frame: s.accountFrame(r, p, "sessions", "sessions"), Note: noteOf(r)}
	for _, v := range list {
		line := templates.Session{
			ID: string(v.ID), This: v.ID == p.session.ID, Browser: browserWords(v.Agent), Address: v.Address, Since: v.CreatedAt, LastAt: v.LastSeenAt,
		}
		for _, c := range v.Clients {
			line.Apps = append(line.Apps, c.Name)
		}
		if line.This {
			page.Sessions = append([]templates.Session{line}, page.Sessions...)
			continue
		}
		page.Sessions = append(page.Sessions, line)
	}
	return s.render(w, http.StatusOK, page)
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request, p who) error {
	id := pathID[idp.SessionID](r, "id")
	if id == p.session.ID {
		return s.signOut(w, r)
	}
	if err := s.Logins.EndSession(r.Context(), p.actor(), p.user.ID, id); err != nil {
		return err
	}
	return seeOther(w, r, places["sessions"]+"?did=ended")
}

func (s *Server) endOthers(w http.ResponseWriter, r *http.Request, p who) error {
	if err := s.Logins.EndOthers(r.Context(), p.actor(), p.user.ID, p.session.ID); err != nil {
		return err
	}
	return seeOther(w, r, places["sessions"]+"?did=others")
}

// Describe names the browser and the system that a User-Agent header claims,
// "" where it does not say. It is shown to people, bounded and printable.
func Describe(agent string) (browser, os string) {
	ua := useragent.Parse(agent)
	short := func(s string) string {
		if s = printable(s); len(s) > maxDescribed {
			s = s[:maxDescribed]
		}
		return s
	}
	return short(ua.Name), short(ua.OS)
}

// maxDescribed is in bytes.
const maxDescribed = 32

// browserWords says which browser a User-Agent header names, in as few words
// as a person needs to know it again.
func browserWords(agent string) templates.Message {
	ua := useragent.Parse(agent)
	switch {
	case ua.Name == "" || len(ua.Name) > 40 || ua.Name == agent && ua.OS == "":
		return templates.Say("sessions.browser.unknown")
	case ua.OS == "":
		return templates.Say("sessions.browser.only", "Browser", ua.Name)
	}
	return templates.Say("sessions.browser", "Browser", ua.Name, "System", ua.OS)
}

// printable drops what must not stand in a text that is shown.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
