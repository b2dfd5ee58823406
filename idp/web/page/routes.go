package page

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hilum/idp"
	"hilum/idp/login"
	"hilum/static"
)

// Route is the record of a page: all that is to be known of it before it is asked for.
type Route struct {
	Pattern string // method and path, as http.ServeMux has them
	Who     Access // who may, and what answers
	Quiet   bool   // asked for all day and tells nothing: logged at debug level only
	Stream  bool   // answered by an event stream, which docs/proxy.md has to name; others cannot open one
	Body    int64  // bytes of an Upload at most; 0: a form, of MaxForm at most
	// Name is what the page is come back to by, after a sign-in, a change of the theme
	// or of the language: a path is never taken from a request, so that no link leads
	// people to another site by ours (open redirect). A page about one thing has the
	// name of its kind; its whole name is that, a colon and the thing's id.
	Name  string
	Query *Query // where the name says more than which thing it is about
	// Back is the Name of the page that a request leads back to which was not answered
	// because a sign-in, or a fresh second factor, had to come first. Empty: its own
	// Name. What was posted is not kept.
	Back string
}

// Query is how a page's name and address say what it is about, where that is more than
// an id in the path.
type Query struct {
	Of      func(*http.Request) (string, bool) // what follows the colon of the name; false: the request says nothing
	Address func(string) (string, bool)        // the path and query for that; false: it is not of our making
}

// Access is who may have a page, and what answers them.
type Access struct {
	Who    string // in words, for a table of routes
	Person bool   // somebody who is signed in: a sign-in may come first
	answer Handler
	upload bool         // answer reads the form itself, by ReadUpload
	files  http.Handler // answers alone, in place of answer and the chain
}

// Anyone may have the page. It goes through the chain, as all do but Files: headers,
// cross-origin protection, the form and its bounds, the error table.
func (d *Door) Anyone(h Handler) Access { return Access{Who: "anyone", answer: h} }

// Files are for anyone too, without the chain: h sets its own headers.
func Files(h http.Handler) Access { return Access{Who: "anyone", files: h} }

// Signing is Anyone for a step of a sign-in that is under way. A step of a sign-in that
// this browser does not have, or with a form that says nothing, is counted by address as
// a sign-in that begins; one that succeeds is not counted.
func (d *Door) Signing(h Handler) Access {
	return Access{Who: "browser of the sign-in", answer: d.signing(h)}
}

// Beginning is Anyone for what begins something that nobody has proven anything for:
// one address may do it as often as Limits.Begin allows.
func (d *Door) Beginning(h Handler) Access {
	return Access{Who: "anyone, so often", answer: d.beginning(h)}
}

// Inviting is Anyone for a step of a one-time link: wrong links and codes are counted,
// what is right is never refused.
func (d *Door) Inviting(h Handler) Access {
	return Access{Who: "holder of a one-time link", answer: d.inviting(h)}
}

// Account is for whoever has a live session. Without one a sign-in begins, which leads
// back to the page.
func (d *Door) Account(h PersonHandler) Access {
	return Access{Who: "session", Person: true, answer: d.signedIn(h)}
}

// Staff is Account for people of whom more is asked: who says in words what, for a table
// of routes, and h checks it.
func (d *Door) Staff(who string, h PersonHandler) Access {
	return Access{Who: who, Person: true, answer: d.signedIn(h)}
}

// Upload is Staff for a form that carries a file. It is not read before h calls
// ReadUpload, so that nobody makes us read a large body who may not send one.
func (d *Door) Upload(who string, h PersonHandler) Access {
	return Access{Who: who, Person: true, answer: d.signedIn(h), upload: true}
}

// own are the pages of the door itself.
func (d *Door) own() []Route {
	return []Route{
		{Pattern: "GET /{$}", Who: d.Anyone(d.home)},
		{Pattern: "GET /static/", Who: Files(static.Handler()), Quiet: true},
		{Pattern: "POST /theme", Who: d.Anyone(d.theme)},
		{Pattern: "POST /language", Who: d.Anyone(d.chooseLanguage)},
		{Pattern: "GET /look/{name}", Who: d.Anyone(d.accentSheet)},
		{Pattern: "GET /pictures/{name}", Who: d.Anyone(d.picture)},
	}
}

// home leads to the pages of whoever is signed in.
func (d *Door) home(w http.ResponseWriter, r *http.Request) error { return SeeOther(w, r, "/account") }

// Add adds pages. It panics over a record that cannot be: one without an answer, a
// pattern or a name that is there already, a body bound of what is no upload or an upload
// without one, a page of somebody who is signed in that no sign-in could lead back to.
func (d *Door) Add(routes ...Route) {
	for _, r := range routes {
		switch {
		case r.Who.answer == nil && r.Who.files == nil:
			panic("page: nothing answers " + r.Pattern)
		case d.pattern[r.Pattern] != nil:
			panic("page: twice: " + r.Pattern)
		case r.Who.upload != (r.Body > 0):
			panic("page: an upload has a bound, and nothing else has: " + r.Pattern)
		case r.Who.Person && r.Name == "" && r.Back == "":
			panic("page: nothing to come back to: " + r.Pattern)
		}
		route := &r
		d.routes = append(d.routes, r)
		d.pattern[r.Pattern] = route
		if r.Name == "" {
			continue
		}
		if d.byName[route.kind()] != nil {
			panic("page: two pages have the name " + r.Name)
		}
		d.byName[route.kind()] = route
	}
}

// Mount adds every page to mux. It panics where Back is the name of no page.
func (d *Door) Mount(mux *http.ServeMux) {
	for i := range d.routes {
		r := &d.routes[i]
		if r.Back != "" && d.byName[r.Back] == nil && d.byName[r.Back+":"] == nil {
			panic(fmt.Sprintf("page: %s leads back to %q, which is none", r.Pattern, r.Back))
		}
		mux.Handle(r.Pattern, d.chain(r))
	}
}

// chain is what a request of a page goes through, outermost first: headers,
// cross-origin protection, the body and its bounds, who may, the answer, and the error
// table.
func (d *Door) chain(r *Route) http.Handler {
	switch {
	case r.Who.files != nil:
		return r.Who.files
	case r.Who.upload:
		return d.served(func(http.ResponseWriter, *http.Request) error { return nil }, r.Who.answer)
	}
	return d.served(readForm, r.Who.answer)
}

// Routes are the records of all pages.
func (d *Door) Routes() []Route { return slices.Clone(d.routes) }

// Quiet are the patterns of the pages that are logged at debug level only.
func (d *Door) Quiet() []string {
	var list []string
	for _, r := range d.routes {
		if r.Quiet {
			list = append(list, r.Pattern)
		}
	}
	return list
}

// Bodies are the paths to which more may be posted than a form has, with how many bytes
// at most.
func (d *Door) Bodies() map[string]int64 {
	all := map[string]int64{}
	for _, r := range d.routes {
		if r.Body > 0 {
			all[r.path()] = r.Body
		}
	}
	return all
}

func (r *Route) path() string {
	_, path, _ := strings.Cut(r.Pattern, " ")
	return path
}

// thing is the name of the wildcard that says which one thing a page is about; empty:
// it is about none.
func (r *Route) thing() string {
	_, rest, ok := strings.Cut(r.Pattern, "{")
	name, _, _ := strings.Cut(rest, "}")
	if !ok || name == "$" {
		return ""
	}
	return name
}

// kind is what every whole name of the page begins with: Name, with the colon where an id
// or what a Query says follows.
func (r *Route) kind() string {
	if r.Query != nil || r.thing() != "" {
		return r.Name + ":"
	}
	return r.Name
}

// Place returns the path of the page that has a name, as Here gives it; false where there
// is none. The name may come from a request: whatever it says, the path is one of ours.
func (d *Door) Place(name string) (path string, ok bool) {
	kind, id, about := strings.Cut(name, ":")
	if !about {
		if r := d.byName[kind]; r != nil {
			return r.path(), true
		}
		return "", false
	}
	r := d.byName[kind+":"]
	switch {
	case r == nil:
		return "", false
	case r.Query != nil:
		return r.Query.Address(id)
	case !valid(r.thing(), id):
		return "", false
	}
	return strings.Replace(r.path(), "{"+r.thing()+"}", id, 1), true
}

// Here returns the whole name of the page that a request leads back to; empty where there
// is none.
func (d *Door) Here(req *http.Request) string {
	r := d.pattern[req.Pattern]
	if r == nil {
		return ""
	}
	if r.Query != nil {
		if whole, ok := r.named(req); ok {
			return whole
		}
	}
	name := r.Back
	if name == "" {
		name = r.Name
	}
	for name != "" {
		of := d.byName[name+":"]
		if of != nil {
			if whole, ok := of.named(req); ok {
				return whole
			}
		}
		if d.byName[name] != nil {
			return name
		}
		if of == nil || of.Back == name {
			return ""
		}
		name = of.Back // the request is about no such thing
	}
	return ""
}

// named is the whole name of a page about one thing, where a request is about that thing;
// false where it is about none.
func (r *Route) named(req *http.Request) (string, bool) {
	if r.Query != nil {
		about, ok := r.Query.Of(req)
		return r.Name + ":" + about, ok
	}
	id := req.PathValue(r.thing())
	return r.Name + ":" + id, valid(r.thing(), id)
}

// valid reports whether an id has the form that a wildcard of a pattern stands for: a
// client's, the number of an event, or any other of ours.
func valid(wildcard, id string) bool {
	switch wildcard {
	case "client":
		return IsClientID(id)
	case "event":
		return IsNumber(id)
	}
	return IsID(id)
}

// LoginPath is the path of the page at which a sign-in goes on.
func LoginPath(id idp.LoginID) string { return "/login/" + string(id) }

var _ Sessions = (*login.Flow)(nil)
