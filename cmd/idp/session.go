package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hilum/idp"
)

func (c *cli) sessionCommand() *cobra.Command {
	return group("session", "List and end live sessions", c.sessionList(), c.sessionEnd(), c.sessionEnded())
}

// sessionLine is a session as scripts see it.
type sessionLine struct {
	ID         idp.SessionID  `json:"id"`
	User       string         `json:"user"`
	UserID     idp.UserID     `json:"user_id"`
	Address    string         `json:"address,omitempty"`
	Agent      string         `json:"agent,omitempty"`
	Clients    []idp.ClientID `json:"clients,omitempty"`
	AuthTime   time.Time      `json:"auth_time"`
	LastSeenAt time.Time      `json:"last_seen_at"`
	ExpiresAt  time.Time      `json:"expires_at"`
}

func (c *cli) sessionList() *cobra.Command {
	var asJSON bool
	var most int
	cmd := &cobra.Command{
		Use:   "list [WORD…]",
		Short: "List live sessions, newest first; words are beginnings of names and mail addresses",
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			q := idp.SessionQuery{Words: strings.Join(args, " ")}
			rows := [][]string{{"USER", "SIGNED IN", "LAST SEEN", "FROM", "APPLICATIONS", "ID"}}
			for row, err := range found(most, func(page idp.Page) ([]idp.SessionRow, idp.Cursors, error) {
				q.Page = page
				part, err := p.desk.SearchSessions(ctx, console(), q)
				if err != nil {
					return nil, idp.Cursors{}, err
				}
				return part.Rows, part.Cursors, nil
			}) {
				if err != nil {
					return fieldError(err)
				}
				s := &row.Session
				l := sessionLine{s.ID, row.User.Name, s.User, s.Address, s.Agent, row.Clients, s.AuthTime, s.LastSeenAt, s.ExpiresAt}
				if asJSON {
					if err := lines(c.stdout, []sessionLine{l}); err != nil {
						return err
					}
				} else {
					rows = append(rows, []string{l.User, clock(l.AuthTime), clock(l.LastSeenAt), orNone(l.Address), orNone(strings.Join(texts(l.Clients), " ")), string(l.ID)})
				}
			}
			if asJSON {
				return nil
			}
			return table(c.stdout, rows...)
		}),
	}
	cmd.Flags().IntVar(&most, "limit", 0, "stop after so many `sessions` (0: all)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) sessionEnd() *cobra.Command {
	var reason string
	var all bool
	cmd := &cobra.Command{
		Use:   "end NAME [SESSION]",
		Short: "End a session of a person, by its id, or --all of them, with every token they gave",
		Args:  cobra.RangeArgs(1, 2),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			if all == (len(args) == 2) {
				return usagef("name one session, or --all")
			}
			u, err := p.person(ctx, args[0])
			if err != nil {
				return err
			}
			if all {
				n, err := p.desk.EndSessions(ctx, console(), u.ID, reason)
				if err != nil {
					return fieldError(err)
				}
				c.printf("%d sessions of %s ended\n", n, u.Name)
				if n == 0 {
					return nil
				}
				return c.tellTold(ctx, p, u.ID, "")
			}
			err = p.desk.EndSession(ctx, console(), u.ID, idp.SessionID(args[1]), reason)
			if errors.Is(err, idp.ErrNotFound) {
				return fmt.Errorf("%s has no live session %q; \"idp session list %s\" lists them", u.Name, args[1], u.Name)
			}
			if err != nil {
				return fieldError(err)
			}
			c.printf("session of %s ended\n", u.Name)
			return c.tellTold(ctx, p, u.ID, idp.SessionID(args[1]))
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "all sessions of the person")
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for the audit log")
	return cmd
}

// tellTold prints which applications are told of what was just ended: one
// session, or all that ended at the latest moment. The provider that runs tells
// them; without one they wait.
func (c *cli) tellTold(ctx context.Context, p *provider, user idp.UserID, id idp.SessionID) error {
	ended, err := p.desk.EndedSessions(ctx, console(), user)
	if err != nil {
		return err
	}
	var names []string
	for i := range ended {
		if id == "" && ended[i].Session.EndedAt.Equal(ended[0].Session.EndedAt) || ended[i].Session.ID == id {
			told, _ := ended[i].Tells()
			for _, app := range told {
				names = append(names, ended[i].Name(app))
			}
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > 0 {
		c.printf("told by the running provider: %s\n", strings.Join(names, ", "))
	}
	return nil
}

// endedLine is a session that has ended as scripts see it.
type endedLine struct {
	ID      idp.SessionID `json:"id"`
	User    string        `json:"user"`
	UserID  idp.UserID    `json:"user_id"`
	EndedAt time.Time     `json:"ended_at"`
	Notices []noticeLine  `json:"notices,omitempty"`
	NotTold []string      `json:"not_told,omitempty"` // applications that have no address for it
}

// noticeLine is how it stands with telling one application, as scripts see it.
type noticeLine struct {
	Client idp.ClientID `json:"client"`
	State  string       `json:"state"` // told, waiting, failed
	Tries  int          `json:"tries"`
	Said   idp.Refusal  `json:"said,omitempty"`
}

// endedLineOf returns a session that has ended for scripts, and of each application that
// is told what became of it, for people.
func endedLineOf(e *idp.EndedSession) (l endedLine, words []string) {
	l = endedLine{ID: e.Session.ID, User: e.User.Name, UserID: e.User.ID, EndedAt: e.Session.EndedAt}
	for i := range e.Notices {
		n := &e.Notices[i]
		state := "waiting"
		switch {
		case n.Told:
			state = "told"
		case !n.Waits():
			state = "failed"
		}
		l.Notices = append(l.Notices, noticeLine{n.Client, state, n.Tries, n.Said})
		word := string(n.Client) + " " + state
		if n.Said != "" {
			word += " (" + string(n.Said) + ")"
		}
		words = append(words, word)
	}
	_, left := e.Tells()
	l.NotTold = texts(left)
	return l, words
}

func (c *cli) sessionEnded() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ended [NAME]",
		Short: "List the sessions that ended last, of one person or of everybody, and which applications were told",
		Args:  cobra.MaximumNArgs(1),
		RunE: c.withArgs(func(ctx context.Context, p *provider, args []string) error {
			var user idp.UserID
			if len(args) == 1 {
				u, err := p.person(ctx, args[0])
				if err != nil {
					return err
				}
				user = u.ID
			}
			ended, err := p.desk.EndedSessions(ctx, console(), user)
			if err != nil {
				return err
			}
			rows := [][]string{{"USER", "ENDED", "APPLICATIONS", "NOT TOLD", "ID"}}
			list := make([]endedLine, len(ended))
			for i := range ended {
				l, words := endedLineOf(&ended[i])
				list[i] = l
				rows = append(rows, []string{l.User, clock(l.EndedAt), orNone(strings.Join(words, ", ")), orNone(strings.Join(l.NotTold, " ")), string(l.ID)})
			}
			if asJSON {
				return lines(c.stdout, list)
			}
			return table(c.stdout, rows...)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
