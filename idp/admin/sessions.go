package admin

import (
	"context"
	"fmt"

	"hilum/idp"
)

// SearchSessions lists live sessions, newest first. Errors: idp.ErrDenied,
// FieldError (the key).
func (d *Desk) SearchSessions(ctx context.Context, by By, q idp.SessionQuery) (*idp.SessionPage, error) {
	if err := d.allow(ctx, by, ReadSessions); err != nil {
		return nil, err
	}
	return d.conf.Store.SearchSessions(ctx, q, d.conf.Now())
}

// EndSession ends a session of a person and every token it gave. The reason may
// be empty. Errors: idp.ErrDenied, idp.ErrStale, idp.ErrNotFound when it is not
// live or another's, FieldError.
func (d *Desk) EndSession(ctx context.Context, by By, user idp.UserID, id idp.SessionID, reason string) error {
	if id == "" {
		return fmt.Errorf("session: %w", idp.ErrNotFound)
	}
	_, err := d.endSessions(ctx, by, user, reason, idp.CutOff{Cause: idp.CutEndedOne, Session: id})
	return err
}

// EndSessions ends all sessions of a person and what was begun with them, and
// says how many there were. Errors as EndSession.
func (d *Desk) EndSessions(ctx context.Context, by By, user idp.UserID, reason string) (int, error) {
	return d.endSessions(ctx, by, user, reason, idp.CutOff{Cause: idp.CutEndedAll})
}

func (d *Desk) endSessions(ctx context.Context, by By, user idp.UserID, reason string, c idp.CutOff) (int, error) {
	e, err := d.about(ctx, EndSessions, idp.EventSessionEnded, by, user, reason)
	if err != nil {
		return 0, err
	}
	c.User, c.Because = user, e
	ended, err := d.conf.Store.CutOff(ctx, c)
	d.look(user)
	return len(ended), err
}

// ShownEnded is how many of the sessions that have ended are listed.
const ShownEnded = 20

// EndedSessions lists the sessions that were ended before their time was up,
// with which applications were told: of one person, or of everybody, the latest
// first, as long as they would have lasted. Errors: idp.ErrDenied.
func (d *Desk) EndedSessions(ctx context.Context, by By, user idp.UserID) ([]idp.EndedSession, error) {
	if err := d.allow(ctx, by, ReadSessions); err != nil {
		return nil, err
	}
	ended, err := d.conf.Store.EndedSessions(ctx, user, ShownEnded)
	if err != nil || len(ended) == 0 {
		return nil, err
	}
	names, err := d.clientNames(ctx)
	for i := range ended {
		ended[i].Names = names
	}
	return ended, err
}

// EndedSession returns one session that was ended, as EndedSessions lists them.
// Errors: idp.ErrDenied, idp.ErrNotFound.
func (d *Desk) EndedSession(ctx context.Context, by By, id idp.SessionID) (*idp.EndedSession, error) {
	if err := d.allow(ctx, by, ReadSessions); err != nil {
		return nil, err
	}
	ended, err := d.conf.Store.EndedSession(ctx, id)
	if err != nil {
		return nil, err
	}
	ended.Names, err = d.clientNames(ctx)
	return ended, err
}

func (d *Desk) clientNames(ctx context.Context) (map[idp.ClientID]string, error) {
	clients, err := d.conf.Store.Clients(ctx)
	names := make(map[idp.ClientID]string, len(clients))
	for i := range clients {
		names[clients[i].ID] = clients[i].Name
	}
	return names, err
}

// Logouts says how it goes with telling an application that sessions have ended
// (back-channel logout). Errors: idp.ErrDenied.
func (d *Desk) Logouts(ctx context.Context, by By, client idp.ClientID) (*idp.LogoutFigures, error) {
	if err := d.allow(ctx, by, ReadClients); err != nil {
		return nil, err
	}
	all, err := d.conf.Store.LogoutFigures(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return &idp.LogoutFigures{Client: client}, nil
	}
	return &all[0], nil
}
