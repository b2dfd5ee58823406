package desk

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/claim"
	"hilum/idp/web/page"
	"hilum/templates"
)

// maxTold is how many rows the form for claims under names of an application's own has.
const maxTold = 20

// ruleRow is a rule as a row of the form: values are lines of «from > to».
func ruleRow(r idp.ClaimRule) templates.RuleRow {
	row := templates.RuleRow{Name: r.Name, From: r.From, One: r.One, Map: r.Text}
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

// readRules reads the rows of the form, without those that are empty or are to be removed.
// problems are the message keys for rows that cannot be read, by their index in rows and
// rules.
func readRules(r *http.Request) (rows []templates.RuleRow, rules []idp.ClaimRule, problems map[int]string) {
	problems = map[int]string{}
	for i := range maxTold {
		n := strconv.Itoa(i)
		name := strings.TrimSpace(r.PostFormValue("name-" + n))
		from, text := r.PostFormValue("from-"+n), strings.TrimSpace(r.PostFormValue("map-"+n))
		if name == "" && text == "" || r.PostFormValue("do") == "remove-"+n {
			continue
		}
		row := templates.RuleRow{Name: name, From: from, Map: text, One: r.PostFormValue("one-"+n) == "1"}
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
					problems[len(rows)] = "claims.wrong.map"
				}
				rule.Values = append(rule.Values, idp.ClaimValue{From: strings.TrimSpace(what), To: strings.TrimSpace(to)})
			}
		}
		rows, rules = append(rows, row), append(rules, rule)
	}
	return rows, rules, problems
}

// toldWords say what is wrong with a rule, by message keys of readRules and of package
// admin.
var toldWords = map[string]templates.Message{
	"claims.wrong.map":    templates.Say("claims.wrong.map"),
	"client.claims.name":  templates.Say("client.claims.name"),
	"client.claims.from":  templates.Say("claims.wrong.from"),
	"client.claims.text":  templates.Say("claims.wrong.text"),
	"client.claims.value": templates.Say("claims.wrong.value"),
	"client.claims.many":  templates.Say("claims.wrong.many"),
}

// claims shows what an application is told of people, and of one person whose name was
// typed.
func (s *applications) claims(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	view := templates.AdminClaims{Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Scopes: c.Scopes, MayEdit: p.may(admin.EditClients)}
	for _, rule := range c.Claims {
		view.Rows = append(view.Rows, ruleRow(rule))
	}
	if r.URL.Query().Get("did") == "edited" {
		view.Note = templates.Say("admin.edited.done")
	}
	if view.Preview, err = s.previewOf(r, p, c, r.URL.Query().Get("who")); err != nil {
		return err
	}
	return s.door.Render(w, http.StatusOK, view)
}

// previewOf is what an application would be told of the person whose sign-in name was
// typed, or, where nobody has it, up to ten people who could be meant.
func (s *applications) previewOf(r *http.Request, p staff, c *idp.Client, typed string) (templates.Preview, error) {
	typed = strings.TrimSpace(typed)
	view := templates.Preview{Who: typed}
	if typed == "" {
		return view, nil
	}
	a, err := s.desk.FindUser(r.Context(), p.by, idp.FoldName(typed))
	if errors.Is(err, idp.ErrNotFound) {
		found, err := s.desk.SearchUsers(r.Context(), p.by, idp.UserQuery{Words: typed, Page: idp.Page{Limit: 10}})
		if err != nil && !errors.Is(err, idp.ErrInvalid) {
			return view, err
		}
		if err == nil {
			for i := range found.Rows {
				view.Found = append(view.Found, deskPersonOf(&found.Rows[i].User))
			}
		}
		view.Nobody = len(view.Found) == 0
		return view, nil
	}
	if err != nil {
		return view, err
	}
	told, err := s.desk.PreviewDraft(r.Context(), p.by, a.User.ID, c)
	if err != nil {
		return view, err
	}
	person := deskPersonOf(&a.User)
	view.Person, view.Admitted = &person, told.Admitted
	if view.IDToken, _, err = claimTable(told.IDToken); err != nil {
		return view, err
	}
	view.Userinfo, _, err = claimTable(told.Userinfo)
	return view, err
}

func (s *applications) rulesView(r *http.Request, p staff, c *idp.Client, rows []templates.RuleRow) templates.AdminRules {
	view := templates.AdminRules{Frame: s.frame(r, p, "applications"), App: deskAppOf(c), Scopes: c.Scopes, Rows: rows, Known: claim.Names()}
	view.Full = len(rows) == maxTold
	return view
}

func (s *applications) rulesPage(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	var rows []templates.RuleRow
	for _, rule := range c.Claims {
		rows = append(rows, ruleRow(rule))
	}
	if len(rows) > maxTold {
		return &idp.FieldError{Field: "claims", Message: "client.claims.many"} // made by command, and changed by it
	}
	if len(rows) == 0 {
		rows = []templates.RuleRow{{From: claim.Groups}}
	}
	return s.door.Render(w, http.StatusOK, s.rulesView(r, p, c, rows))
}

// rules adds a row to the form, takes one away, shows what would be told, or saves, as its
// field «do» says. Only saving changes anything, and nothing that was typed is lost.
func (s *applications) rules(w http.ResponseWriter, r *http.Request, p staff) error {
	c, err := application(r, p, s.desk)
	if err != nil {
		return err
	}
	rows, rules, problems := readRules(r)
	do := r.PostFormValue("do")
	shown := *c
	shown.Claims = rules
	status := http.StatusOK
	if do == "save" || do == "preview" || strings.HasPrefix(do, "who-") {
		if len(problems) == 0 {
			err = s.desk.CheckRules(rules)
		}
		if err == nil && len(problems) == 0 && do == "save" {
			if err = s.desk.EditClient(r.Context(), p.by, c.ID, func(c *idp.Client) { c.Claims = rules }); err == nil {
				return page.SeeOther(w, r, appPath(c.ID)+"/claims?did=edited")
			}
		}
		if fe, ok := errors.AsType[*idp.FieldError](err); ok {
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
		rows = append(rows, templates.RuleRow{From: claim.Groups, Fresh: true})
	}
	view := s.rulesView(r, p, c, rows)
	view.Wrong = wrong
	view.Preview.Who = r.PostFormValue("who")
	if do == "preview" || strings.HasPrefix(do, "who-") {
		who := view.Preview.Who
		if name, ok := strings.CutPrefix(do, "who-"); ok {
			who = name
		}
		if status == http.StatusOK {
			if view.Preview, err = s.previewOf(r, p, &shown, who); err != nil {
				return err
			}
		}
	}
	view.Rows = slices.Clip(view.Rows)
	return s.door.Render(w, status, view)
}
