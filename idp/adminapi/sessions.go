package adminapi

import (
	"net/http"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// session is a live session in a response.
type session struct {
	ID         idp.SessionID  `json:"id"`
	User       *person        `json:"user"`
	Address    string         `json:"address"`
	Agent      string         `json:"agent"`
	ACR        string         `json:"acr"`
	AMR        []string       `json:"amr"`
	Clients    []idp.ClientID `json:"clients"`
	CreatedAt  *time.Time     `json:"created_at"`
	LastSeenAt *time.Time     `json:"last_seen_at"`
	FactorAt   *time.Time     `json:"factor_at,omitempty"`
	ExpiresAt  *time.Time     `json:"expires_at"`
}

func sessionOf(row *idp.SessionRow) session {
	v := &row.Session
	return session{
		ID: v.ID, User: personOf(&row.User), Address: v.Address, Agent: v.Agent, ACR: v.ACR, AMR: list(v.AMR), Clients: list(row.Clients),
		CreatedAt: moment(v.CreatedAt), LastSeenAt: moment(v.LastSeenAt), FactorAt: moment(v.FactorAt), ExpiresAt: moment(v.ExpiresAt),
	}
}

func (s *Server) searchSessions(w http.ResponseWriter, r *http.Request, by admin.By) error {
	q, err := readQuery(r, "q", "user", "after", "limit")
	if err != nil {
		return err
	}
	p, err := q.part()
	if err != nil {
		return err
	}
	if q.Has("q") && q.Has("user") {
		return &told{errQuery, "user", "q or user, not both"}
	}
	found, err := s.conf.Desk.SearchSessions(r.Context(), by, idp.SessionQuery{Words: q.Get("q"), User: idp.UserID(q.Get("user")), Page: p})
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, pageOf(found.Rows, found.Cursors, sessionOf))
}

// ended is how many sessions were ended.
type ended struct {
	Ended int `json:"ended"`
}

func (s *Server) endSessions(w http.ResponseWriter, r *http.Request, by admin.By) error {
	id, err := aboutUser(r)
	if err != nil {
		return err
	}
	n, err := s.conf.Desk.EndSessions(r.Context(), by, id, "")
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, ended{n})
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request, by admin.By) error {
	user, err := aboutUser(r)
	if err != nil {
		return err
	}
	id, err := pathID[idp.SessionID](r, "session")
	if err != nil {
		return err
	}
	if err := s.conf.Desk.EndSession(r.Context(), by, user, id, ""); err != nil {
		return err
	}
	return done(w)
}
