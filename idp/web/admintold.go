package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/claim"
	"hilum/templates"
)

// maxTold is how many claims of its own the form of an application has.
const maxTold = 20

// tellRow is one claim as it was typed.
func tellRow(r idp.ClaimRule) templates.TellRow {
	row := templates.TellRow{Name: r.Name, From: r.From, One: r.One, Map: r.Text}
	if r.From == "" {
		return row
	}
	var lines []string
	for _, v := range r.Values {
		lines = append(lines, v.From+" > "+v.To)
	}
	row.Map = strings.Join(lines, "\n")
	return row
}

// readTold reads the rows of the form. Rows that are empty are none. problems
// are of rows that cannot be read, by their number among those returned.
func readTold(r *http.Request) (rows []templates.TellRow, rules []idp.ClaimRule, problems map[int]string) {
	problems = map[int]string{}
	for i := range maxTold {
		n := strconv.Itoa(i)
		name := strings.TrimSpace(r.PostFormValue("name-" + n))
		from, text := r.PostFormValue("from-"+n), strings.TrimSpace(r.PostFormValue("map-"+n))
		if name == "" && text == "" || r.PostFormValue("do") == "remove-"+n {
			continue
		}
		row := templates.TellRow{Name: name, From: from, Map: text, One: r.PostFormValue("one-"+n) == "1"}
		rule := idp.ClaimRule{Name: name, From: from, One: row.One}
		if from == "" {
			rule.Text = text
		} else {
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				what, to, ok := strings.Cut(line, ">")
				if !ok {
					problems[len(rows)] = "told.wrong.map"
				}
				rule.Values = append(rule.Values, idp.ClaimValue{From: strings.TrimSpace(what), To: strings.TrimSpace(to)})
			}
		}
		rows, rules = append(rows, row), append(rules, rule)
	}
	return rows, rules, problems
}

// toldWords are what can be wrong with a claim.
var toldWords = map[string]templates.Message{
	"told.wrong.map":      templates.Say("told.wrong.map"),
	"client.claims.name":  templates.Say("told.wrong.name"),
	"client.claims.from":  templates.Say("told.wrong.from"),
	"client.claims.text":  templates.Say("told.wrong.text"),
	"client.claims.value": templates.Say("told.wrong.value"),
	"client.claims.many":  templates.Say("told.wrong.many"),
}

// adminTold is what an application is told of people, for those who may read
// applications and people.
func (s *Server) adminTold(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	page := templates.AdminTold{Frame: s.adminFrame(r, p, "applications"), App: deskAppOf(c), Scopes: c.Scopes, MayEdit: p.may(admin.EditClients)}
	for _, rule := range c.Claims {
		page.Rows = append(page.Rows, tellRow(rule))
	}
	if r.URL.Query().Get("did") == "edited" {
		page.Note = templates.Say("admin.edited.done")
	}
	if page.Preview, err = s.previewOf(r, p, c, r.URL.Query().Get("who")); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, page)
}

// previewOf is what an application would be told of the person with a name, or
// who could be meant.
func (s *Server) previewOf(r *http.Request, p staff, c *idp.Client, typed string) (templates.Preview, error) {
	typed = strings.TrimSpace(typed)
	page := templates.Preview{Who: typed}
	if typed == "" {
		return page, nil
	}
	a, err := s.Desk.FindUser(r.Context(), p.by, idp.FoldName(typed))
	if errors.Is(err, idp.ErrNotFound) {
		found, err := s.Desk.SearchUsers(r.Context(), p.by, idp.UserQuery{Words: typed, Page: idp.Page{Limit: 10}})
		if err != nil && !errors.Is(err, idp.ErrInvalid) {
			return page, err
		}
		if err == nil {
			for i := range found.Rows {
				page.Found = append(page.Found, deskPersonOf(&found.Rows[i].User))
			}
		}
		page.Nobody = len(page.Found) == 0
		return page, nil
	}
	if err != nil {
		return page, err
	}
	told, err := s.Desk.PreviewDraft(r.Context(), p.by, a.User.ID, c)
	if err != nil {
		return page, err
	}
	person := deskPersonOf(&a.User)
	page.Person, page.Admitted = &person, told.Admitted
	if page.IDToken, _, err = claimTable(told.IDToken); err != nil {
		return page, err
	}
	page.Userinfo, _, err = claimTable(told.Userinfo)
	return page, err
}

func (s *Server) tellPage(r *http.Request, p staff, c *idp.Client, rows []templates.TellRow) templates.AdminTell {
	page := templates.AdminTell{Frame: s.adminFrame(r, p, "applications"), App: deskAppOf(c), Scopes: c.Scopes, Rows: rows, Known: claim.Names()}
	page.Full = len(rows) == maxTold
	return page
}

func (s *Server) adminTell(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	var rows []templates.TellRow
	for _, rule := range c.Claims {
		rows = append(rows, tellRow(rule))
	}
	if len(rows) > maxTold {
		return &idp.FieldError{Field: "claims", Message: "client.claims.many"} // made by command, and changed by it
	}
	if len(rows) == 0 {
		rows = []templates.TellRow{{From: claim.Groups}}
	}
	return s.render(w, http.StatusOK, s.tellPage(r, p, c, rows))
}

// adminTellSubmit adds a row, takes one away, shows what would be told, or
// saves. Only the last changes anything, and nothing that was typed is lost.
func (s *Server) adminTellSubmit(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := s.application(r, p)
	if err != nil {
		return err
	}
	rows, rules, problems := readTold(r)
	do := r.PostFormValue("do")
	shown := *c
	shown.Claims = rules
	status := http.StatusOK
	if do == "save" || do == "preview" || strings.HasPrefix(do, "who-") {
		if len(problems) == 0 {
			err = s.Desk.CheckRules(rules)
		}
		if err == nil && len(problems) == 0 && do == "save" {
			if err = s.Desk.EditClient(r.Context(), p.by, c.ID, func(c *idp.Client) { c.Claims = rules }); err == nil {
				return seeOther(w, r, appPath(c.ID)+"/told?did=edited")
			}
		}
		var fe *idp.FieldError
		if errors.As(err, &fe) {
			n, bad := strings.CutPrefix(fe.Field, "claims.")
			at, numErr := strconv.Atoi(n)
			if !bad || numErr != nil || at >= len(rows) {
				return err
			}
			problems[at] = fe.Message
		} else if err != nil {
			return err
		}
		if len(problems) > 0 {
			status = http.StatusUnprocessableEntity
		}
	}
	wrong := false
	for i := range rows {
		if key, ok := problems[i]; ok && status != http.StatusOK {
			rows[i].Problem, wrong = toldWords[key], true
		}
	}
	if do == "add" && len(rows) < maxTold {
		rows = append(rows, templates.TellRow{From: claim.Groups, Fresh: true})
	}
	page := s.tellPage(r, p, c, rows)
	page.Wrong = wrong
	page.Preview.Who = r.PostFormValue("who")
	if do == "preview" || strings.HasPrefix(do, "who-") {
		who := page.Preview.Who
		if name, ok := strings.CutPrefix(do, "who-"); ok {
			who = name
		}
		if status == http.StatusOK {
			if page.Preview, err = s.previewOf(r, p, &shown, who); err != nil {
				return err
			}
		}
	}
	page.Rows = slices.Clip(page.Rows)
	return s.render(w, status, page)
}
