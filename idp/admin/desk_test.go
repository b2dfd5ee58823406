package admin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
)

func TestUnlinkingMany(t *testing.T) {
	w := newWorld(t)
	chief := w.person("chief", idp.StaffAdmin)
	by := w.as(chief, 0)
	anna, bert := w.person("anna", idp.StaffNone), w.person("bert", idp.StaffNone)
	a, b := w.link(anna.ID, "phone"), w.link(bert.ID, "tablet")
	events := w.countEvents()
	out, err := w.UnlinkDevices(t.Context(), by, []idp.DeviceID{a, "X", b, a}, admin.Why{Reason: "lost on the ward"})
	if err != nil || len(out) != 4 {
		t.Fatalf("%+v, %v", out, err)
	}
	if out[0].Err != nil || out[0].Name != "phone" || out[0].Person != "anna" || !errors.Is(out[1].Err, idp.ErrNotFound) ||
		out[2].Err != nil || out[2].Person != "bert" || !errors.Is(out[3].Err, idp.ErrNotFound) {
		t.Errorf("%+v", out)
	}
	if n := w.countEvents() - events; n != 2 {
		t.Errorf("%d events for two devices", n)
	}
	p, err := w.DeviceHistory(t.Context(), by, a, idp.Page{})
	if err != nil || len(p.Rows) != 1 || p.Rows[0].Detail["reason"] != "lost on the ward" || p.Rows[0].Actor != by.Actor || p.Rows[0].User != anna.ID {
		t.Errorf("history %+v, %v", p, err)
	}
	_, err = w.UnlinkDevices(t.Context(), by, []idp.DeviceID{"X"}, admin.Why{Reason: ""})
	w.fails("without a reason", err, idp.ErrInvalid)
	_, err = w.UnlinkDevices(t.Context(), by, nil, admin.Why{Reason: "lost"})
	w.fails("none", err, idp.ErrInvalid)
	_, err = w.UnlinkDevices(t.Context(), by, make([]idp.DeviceID, admin.MaxUnlink+1), admin.Why{Reason: "lost"})
	w.fails("too many", err, idp.ErrInvalid)
	w.fails("blocking without a reason", w.Disable(t.Context(), by, anna.ID, ""), idp.ErrInvalid)
}

// What was looked at is unlinked, all of it and nothing else, over more than one
// page of the list.
func TestUnlinkingWhatIsFound(t *testing.T) {
	w := newWorld(t)
	by := w.as(w.person("chief", idp.StaffAdmin), 0)
	const people, each = 70, 3
	for i := range people {
		u := w.person(fmt.Sprintf("ward-%02d", i), idp.StaffNone)
		for range each {
			w.link(u.ID, "tablet")
		}
	}
	other := w.link(w.person("other", idp.StaffNone).ID, "phone")
	q := idp.DeviceQuery{Words: "tablet", Page: idp.Page{Limit: 1}}
	found, err := w.FindDevices(t.Context(), by, q)
	if err != nil || len(found.Rows) != people*each || found.People != people {
		t.Fatalf("%+v, %v", found, err)
	}
	down, err := w.FindDevices(t.Context(), by, idp.DeviceQuery{Words: "tablet", Sort: idp.DevicesByLinked, Down: true})
	if err != nil || down.Digest != found.Digest {
		t.Errorf("in another order it is another: %v", err)
	}

	none := func(what string, q idp.DeviceQuery, digest, reason string, want error) {
		t.Helper()
		events := w.countEvents()
		_, err := w.UnlinkFound(t.Context(), by, q, digest, admin.Why{Reason: reason})
		w.fails(what, err, want)
		if w.countEvents() != events {
			t.Errorf("%s: something was done", what)
		}
	}
	none("without a reason", q, found.Digest, "", idp.ErrInvalid)
	none("without a digest", q, "", "lost", idp.ErrConflict)
	none("by another query", idp.DeviceQuery{Facets: []idp.DeviceFacet{idp.FacetCode}}, found.Digest, "lost", idp.ErrConflict)
	none("one that narrows nothing", idp.DeviceQuery{Words: " "}, found.Digest, "lost", idp.ErrInvalid)
	none("a bad facet", idp.DeviceQuery{Facets: []idp.DeviceFacet{"x"}}, found.Digest, "lost", idp.ErrInvalid)

	// One more, one less, one for another: each is another list.
	last := w.link(found.Rows[0].User.ID, "tablet")
	none("one more", q, found.Digest, "lost", idp.ErrConflict)
	if err := w.Unlink(t.Context(), by, found.Rows[0].User.ID, found.Rows[0].Device.ID, admin.Why{Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	none("one for another", q, found.Digest, "lost", idp.ErrConflict)

	again, err := w.FindDevices(t.Context(), by, q)
	if err != nil || len(again.Rows) != people*each || again.Digest == found.Digest {
		t.Fatalf("%d, %v", len(again.Rows), err)
	}
	events := w.countEvents()
	out, err := w.UnlinkFound(t.Context(), by, q, again.Digest, admin.Why{Reason: "handed back"})
	if err != nil || len(out) != people*each {
		t.Fatalf("%d, %v", len(out), err)
	}
	for _, u := range out {
		if u.Err != nil {
			t.Errorf("%+v", u)
		}
	}
	if n := w.countEvents() - events; n != people*each {
		t.Errorf("%d events for %d devices", n, people*each)
	}
	if h, err := w.DeviceHistory(t.Context(), by, last, idp.Page{}); err != nil || len(h.Rows) != 1 || h.Rows[0].Detail["reason"] != "handed back" {
		t.Errorf("history %+v, %v", h, err)
	}
	if _, err := w.Device(t.Context(), by, other); err != nil {
		t.Errorf("what was not found is gone: %v", err)
	}
	none("a second time", q, again.Digest, "lost", idp.ErrConflict)
}

// tooMany finds more than is unlinked at once, or what is not counted.
type tooMany struct {
	admin.Store
	total *idp.Count
}

func (s tooMany) SearchDevices(context.Context, idp.DeviceQuery) (*idp.DevicePage, error) {
	return &idp.DevicePage{Total: s.total, Cursors: idp.Cursors{Next: "on"}}, nil
}

func TestTooManyAreFound(t *testing.T) {
	w := newWorld(t)
	for _, total := range []*idp.Count{nil, {N: admin.MaxUnlink, More: true}, {N: admin.MaxUnlink + 1}} {
		d := admin.New(admin.Config{Store: tooMany{w.db, total}})
		_, err := d.FindDevices(t.Context(), console, idp.DeviceQuery{Words: "x"})
		w.fails(fmt.Sprint("to find ", total), err, idp.ErrInvalid)
		_, err = d.UnlinkFound(t.Context(), console, idp.DeviceQuery{Words: "x"}, "", admin.Why{Reason: ""})
		w.fails(fmt.Sprint("to unlink ", total), err, idp.ErrInvalid)
	}
}

func TestReopeningEnrolment(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna", idp.StaffNone)
	w.link(anna.ID, "phone")
	w.link(anna.ID, "tablet")
	gone, link, err := w.Reopen(t.Context(), console, anna.ID, "stolen", admin.ViaLink)
	if err != nil || len(gone) != 2 || gone[0].Err != nil || gone[1].Err != nil {
		t.Fatalf("%+v, %v", gone, err)
	}
	if i := w.invitation(link); i.Purpose != idp.InviteEnrol || i.User != anna.ID {
		t.Errorf("invitation %+v", i)
	}
	if f, err := w.Factors(t.Context(), console, anna.ID); err != nil || len(f.Devices) != 0 || f.Invitation == nil || !f.Invitation.Token.IsZero() {
		t.Errorf("factors %+v, %v", f, err)
	}
	w.link(anna.ID, "third")
	if err := w.Disable(t.Context(), console, anna.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.Reopen(t.Context(), console, anna.ID, "stolen", admin.ViaLink)
	w.fails("somebody disabled", err, idp.ErrDenied)
	if devices, err := w.Devices(t.Context(), console, anna.ID); err != nil || len(devices) != 1 {
		t.Errorf("a refusal has unlinked: %v, %v", devices, err)
	}
}

// People choose the names of their devices; a spreadsheet must not run one.
func TestNamesAreHarmlessInSpreadsheets(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna", idp.StaffNone)
	names := []string{"=1+1", "+49", "-x", "@SUM(A1)", `plain, "quoted"`}
	for _, name := range names {
		w.link(anna.ID, name)
	}
	var b bytes.Buffer
	if err := w.DevicesCSV(t.Context(), console, idp.DeviceQuery{Sort: idp.DevicesByLinked}, admin.ExportCSV, &b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != len(names)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var got []string
	for _, r := range rows[1:] {
		got = append(got, r[3])
	}
	if want := []string{"'=1+1", "'+49", "'-x", "'@SUM(A1)", names[4]}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImporting(t *testing.T) {
	w := newWorld(t)
	w.person("taken", idp.StaffNone)
	imp := func(text string, dry bool) (*admin.Import, error) {
		return w.ImportUsers(t.Context(), console, strings.NewReader(text), admin.ImportHow{Dry: dry}, nil)
	}
	count := func() int {
		n, err := w.db.CountUsers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for what, c := range map[string]struct {
		text   string
		people int
		faults []int // lines
	}{
		"one":                        {"username\nanna\n", 1, nil},
		"as a spreadsheet writes it": {"\ufeffusername;name;groups\r\nanna;Anna, the first;a b\r\n", 1, nil},
		"tabs":                       {"email\tusername\na@b.example\tanna\n", 1, nil},
		"a cell over two lines":      {"username,name\nanna,\"A\nB\"\nbert,B\n", 1, []int{2}},
		"all kinds of faults":        {"username,email\ntaken,\nA b,\nok,\nok,\nx,nomail\n,\nlong,a@b.c,d\n", 1, []int{2, 3, 5, 6, 8}},
		"quotes":                     {"username,name\nanna,\"A\" B\nbert,B\n", 1, []int{2}},
		"nobody":                     {"username\n", 0, nil},
		"a hidden letter":            {"username,name\nanna,A\u202eB\n", 0, []int{2}},
		"too many groups":            {"username,groups\nanna," + strings.Repeat("g ", 101) + "\n", 0, []int{2}},
	} {
		got, err := imp(c.text, true)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		var lines []int
		for _, f := range got.Faults {
			lines = append(lines, f.Line)
			if !errors.Is(f.Err, idp.ErrInvalid) && !errors.Is(f.Err, idp.ErrConflict) {
				t.Errorf("%s: line %d: %v", what, f.Line, f.Err)
			}
		}
		if got.People != c.people || !slices.Equal(lines, c.faults) || got.Added != 0 {
			t.Errorf("%s: %d people, faults in %v: %+v", what, got.People, lines, got)
		}
		if len(c.faults) > 0 {
			if got, err := imp(c.text, false); err != nil || got.Added != 0 {
				t.Errorf("%s: added %+v, %v", what, got, err)
			}
		}
	}
	if n := count(); n != 1 {
		t.Fatalf("%d people after dry runs and faulty files", n)
	}
	for what, text := range map[string]string{
		"empty": "", "an unknown column": "username,shoe\nx,y\n", "a column twice": "username,username\nx,y\n", "no names": "email\na@b.example\n",
		"a heading that is not UTF-8": "username,n\xe4me\nx,y\n", "too large": "username\n" + strings.Repeat("x", admin.MaxImportBytes), "too many": "username\n" + strings.Repeat("x\n", admin.MaxImport+1),
	} {
		_, err := imp(text, false)
		w.fails(what, err, idp.ErrInvalid)
	}
	const text = "username,name,roles,groups,email\nAnna,Änna Meier,reader|chief,ct mr,anna@klinik.example\nbert,,,,\n"
	got, err := imp(text, false)
	if err != nil || got.Added != 2 || len(got.Users) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	u := w.user(got.Users[0])
	if u.Name != "anna" || u.DisplayName != "Änna Meier" || !slices.Equal(u.Roles, []string{"reader", "chief"}) || !slices.Equal(u.Groups, []string{"ct", "mr"}) ||
		u.State != idp.UserInvited || u.Staff != idp.StaffNone || !u.EmailVerified {
		t.Errorf("%+v", u)
	}
	if e := w.last(idp.EventUsersImported); e.Detail["count"] != "2" || e.Detail["sha256"] != fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
		t.Errorf("event %+v", e)
	}
	p, err := w.SearchEvents(t.Context(), console, idp.EventQuery{Kinds: []idp.EventKind{idp.EventUserCreated}, User: got.Users[1]})
	if err != nil || len(p.Rows) != 1 {
		t.Errorf("events %+v, %v", p, err)
	}
	links, err := w.InviteMany(t.Context(), console, append(got.Users, "X"), admin.ViaLink, nil)
	if err != nil || links[0].Err != nil || links[1].Link == nil || links[1].Name != "bert" || !errors.Is(links[2].Err, idp.ErrNotFound) {
		t.Errorf("%+v, %v", links, err)
	}
}

// An import says how far it is while it checks and while it adds, and takes back
// all when it is stopped.
func TestImportingSaysHowFarItIs(t *testing.T) {
	w := newWorld(t)
	var file strings.Builder
	file.WriteString("username\n")
	for i := range 1200 {
		fmt.Fprintf(&file, "p%d\n", i)
	}
	steps := func(ctx context.Context, dry bool, then func(admin.ImportStep)) (told []admin.ImportStep, err error) {
		got, err := w.ImportUsers(ctx, console, strings.NewReader(file.String()), admin.ImportHow{Dry: dry}, func(s admin.ImportStep) {
			told = append(told, s)
			then(s)
		})
		if err == nil && got.People != 1200 {
			t.Errorf("%+v", got)
		}
		return told, err
	}
	checked := []admin.ImportStep{{Of: 1200}, {Done: 500, Of: 1200}, {Done: 1000, Of: 1200}, {Done: 1200, Of: 1200}}
	told, err := steps(t.Context(), true, func(admin.ImportStep) {})
	if err != nil || !slices.Equal(told, checked) {
		t.Errorf("a dry run tells %v, %v", told, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = steps(ctx, false, func(s admin.ImportStep) {
		if s.Adding && s.Done >= 600 {
			stop()
		}
	})
	w.fails("stopped in the middle", err, context.Canceled)
	if n, err := w.db.CountUsers(t.Context()); err != nil || n != 0 {
		t.Errorf("%d people are left, %v", n, err)
	}
	told, err = steps(t.Context(), false, func(admin.ImportStep) {})
	if err != nil || len(told) != 4+1+12 || !slices.Equal(told[:4], checked) || told[16] != (admin.ImportStep{Adding: true, Done: 1200, Of: 1200}) {
		t.Errorf("an import tells %v, %v", told, err)
	}
}

// FuzzImport: whatever the file, lines are good or faulty, and nothing breaks.
func FuzzImport(f *testing.F) {
	for _, s := range []string{"username\nanna\n", "username;name\n\"a\";\"b\n\"\n", "\ufeffusername,email\r\n,\r\n", "username\n\x00\n", "\""} {
		f.Add(s)
	}
	w := &world{}
	f.Fuzz(func(t *testing.T, text string) {
		if w.T == nil || w.T != t {
			w = newWorld(t)
		}
		got, err := w.ImportUsers(t.Context(), console, strings.NewReader(text), admin.ImportHow{Dry: true}, nil)
		if err != nil {
			if !errors.Is(err, idp.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		for _, fault := range got.Faults {
			if fault.Line < 2 || fault.Err == nil {
				t.Fatalf("%+v", fault)
			}
		}
	})
}

// Every preset makes a registration that is accepted as it is, departs from
// what is safe in nothing but what its application cannot do otherwise, and prints configuration without anything left to fill in.
// oauth2-proxy has its grace: the requests of a page refresh side by side.
func TestPresets(t *testing.T) {
	w := newWorld(t)
	w.set(func(conf *admin.Config) { conf.Realm = "clinic" })
	var ids []string
	for _, p := range admin.Presets() {
		ids = append(ids, p.ID)
		values := map[string]string{}
		for _, f := range p.Needs {
			values[f.ID] = f.Example
		}
		c, err := p.Fill(values)
		if err != nil {
			t.Fatalf("%s: %v", p.ID, err)
		}
		departs := map[string][]string{
			"orthanc": {"client.deviation.grace"}, "oauth2-proxy": {"client.deviation.grace"},
			"dcm4chee": {"client.deviation.pkce", "client.deviation.claims"}, // WildFly
			"weasis":   {"client.deviation.pkce", "client.deviation.keep"},
		}[p.ID]
		if d := admin.Deviations(c); !slices.Equal(d, departs) {
			t.Errorf("%s departs: %q", p.ID, d)
		}
		secret, err := w.AddClient(t.Context(), console, c)
		if err != nil {
			t.Fatalf("%s: %v", p.ID, err)
		}
		snippets := p.Paste("https://login.klinik.example", "clinic", c, secret, values)
		all := ""
		for _, s := range snippets {
			all += s.Text
			for _, word := range []string{"{issuer}", "{realm}", "{host}", "{id}", "{secret}", "{random}", "{base}", "{redirect}"} {
				if strings.Contains(s.Text, word) {
					t.Errorf("%s leaves %s", p.ID, word)
				}
			}
		}
		if !strings.Contains(all, "https://login.klinik.example") || !strings.Contains(all, string(c.ID)) || secret != "" && !strings.Contains(all, secret.Reveal()) {
			t.Errorf("%s: %s", p.ID, all)
		}
		if later := fmt.Sprint(p.Paste("https://x.example", "clinic", c, "", values)); secret != "" && strings.Contains(later, secret.Reveal()) {
			t.Errorf("%s remembers the secret", p.ID)
		}
	}
	if want := strings.Fields("ohif orthanc dcm4chee weasis orthanc-explorer-2 keycloak oauth2-proxy mod_auth_openidc grafana own"); !slices.Equal(ids, want) {
		t.Errorf("presets %q", ids)
	}
	p, err := admin.FindPreset("ohif")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "http://viewer.example", "https://viewer.example/", "https://viewer.example/?a", "javascript:alert(1)", "https://viewer.example/'},x"} {
		_, err := p.Fill(map[string]string{"base": bad})
		w.fails(bad, err, idp.ErrInvalid)
	}
	_, err = p.Fill(map[string]string{"base": "https://viewer.example", "archive": "a b"})
	w.fails("an archive of two words", err, idp.ErrInvalid)
	if c, err := p.Fill(map[string]string{"base": "https://viewer.example", "archive": "pacs"}); err != nil || !slices.Equal(c.Audience, []string{"pacs"}) {
		t.Errorf("with an archive: %+v, %v", c, err)
	}
	_, err = p.Fill(map[string]string{"base": "https://viewer.example", "more": "x"})
	w.fails("a field that is not asked for", err, idp.ErrInvalid)
}

// The recipes have what the presets print. make parties runs them.
func TestRecipesHaveWhatPresetsPrint(t *testing.T) {
	for page, id := range map[string]string{"ohif.md": "ohif", "oauth2-proxy.md": "orthanc", "dcm4chee.md": "dcm4chee", "weasis.md": "weasis", "keycloak-js.md": "keycloak", "grafana.md": "grafana", "orthanc-authorization.md": "orthanc-explorer-2"} {
		text, err := os.ReadFile("../../docs/recipes/" + page)
		if err != nil {
			t.Fatal(err)
		}
		p, err := admin.FindPreset(id)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		if at := map[string]string{"ohif": "https://viewer.your-hospital.org", "orthanc": "https://archive.your-hospital.org", "dcm4chee": "https://archive.your-hospital.org", "keycloak": "https://viewer.your-hospital.org", "grafana": "https://grafana.your-hospital.org", "orthanc-explorer-2": "https://archive.your-hospital.org"}[id]; at != "" {
			values["base"] = at
		}
		c, err := p.Fill(values)
		if err != nil {
			t.Fatal(err)
		}
		c.ID = idp.ClientID(id)
		printed := p.Paste("https://login.your-hospital.org", "hospital", c, "", values)[0].Text
		printed = regexp.MustCompile(`cookie_secret = "[\w-]{43}"`).ReplaceAllString(printed, `cookie_secret = "……"`)
		printed = regexp.MustCompile(`"WebServicePassword": "[\w-]{43}"`).ReplaceAllString(printed, `"WebServicePassword": "……"`)
		if !strings.Contains(string(text), printed) {
			t.Errorf("%s has not:\n%s", page, printed)
		}
	}
}

func TestPreviewingClaims(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna", idp.StaffNone)
	if err := w.EditUser(t.Context(), console, anna.ID, func(u *idp.User) {
		u.Groups, u.Roles, u.Email, u.EmailVerified = []string{"readers", "chiefs"}, []string{"reader"}, "anna@klinik.example", true
	}); err != nil {
		t.Fatal(err)
	}
	c := &idp.Client{
		ID: "viewer", Name: "Viewer", Kind: idp.ClientWeb, Auth: idp.AuthBasic, RedirectURIs: []string{"https://v.example/cb"},
		GrantTypes: []string{idp.GrantCode}, Scopes: []string{"openid", "profile", "groups"}, Groups: []string{"chiefs"}, ClaimsInID: true,
		Claims: []idp.ClaimRule{
			{Name: "role", From: "groups", One: true, Values: []idp.ClaimValue{{From: "chiefs", To: "Admin"}, {From: "readers", To: "Viewer"}}},
			{Name: "memberOf", From: "groups", Values: []idp.ClaimValue{{From: "readers", To: "cn=readers"}}},
			{Name: "groups", From: "groups", Values: []idp.ClaimValue{{From: "nobody", To: "x"}}},
			{Name: "mail", From: "email"}, {Name: "tenant", Text: "klinik"},
		},
	}
	if _, err := w.AddClient(t.Context(), console, c); err != nil {
		t.Fatal(err)
	}
	p, err := w.PreviewClaims(t.Context(), console, anna.ID, "viewer")
	if err != nil || !p.Admitted {
		t.Fatalf("%+v, %v", p, err)
	}
	for what, raw := range map[string]json.RawMessage{"userinfo": p.Userinfo, "ID token": p.IDToken} {
		var got map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if got["sub"] != string(anna.ID) || got["role"] != "Admin" || fmt.Sprint(got["memberOf"]) != "[cn=readers]" || got["tenant"] != "klinik" || got["name"] != "anna" {
			t.Errorf("%s: %s", what, raw)
		}
		for _, not := range []string{"groups", "mail", "email", "roles"} { // renamed to nothing; of scopes that it may not ask for
			if _, ok := got[not]; ok {
				t.Errorf("%s tells %s: %s", what, not, raw)
			}
		}
	}
	bad := func(what string, rules ...idp.ClaimRule) {
		t.Helper()
		w.fails(what, w.EditClient(t.Context(), console, "viewer", func(c *idp.Client) { c.Claims = rules }), idp.ErrInvalid)
	}
	bad("a name of tokens", idp.ClaimRule{Name: "sub", From: "email"})
	bad("a name twice", idp.ClaimRule{Name: "x", From: "email"}, idp.ClaimRule{Name: "x", From: "name"})
	bad("no name", idp.ClaimRule{From: "email"})
	bad("of nothing", idp.ClaimRule{Name: "x"})
	bad("of what there is not", idp.ClaimRule{Name: "x", From: "password"})
	bad("a text and a claim", idp.ClaimRule{Name: "x", From: "email", Text: "y"})
	bad("a value to nothing", idp.ClaimRule{Name: "x", From: "groups", Values: []idp.ClaimValue{{From: "a"}}})
}

func TestEndingSessions(t *testing.T) {
	w := newWorld(t)
	anna := w.person("anna", idp.StaffNone)
	w.fails("one that is not there", w.EndSession(t.Context(), console, anna.ID, "X", ""), idp.ErrNotFound)
	if n, err := w.EndSessions(t.Context(), console, anna.ID, ""); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestExportingEvents(t *testing.T) {
	w := newWorld(t)
	for i := range 450 {
		if err := w.AddUser(t.Context(), console, &idp.User{Name: fmt.Sprintf("u%d", i), DisplayName: "=x"}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := w.ExportEvents(t.Context(), console, idp.EventQuery{Kinds: []idp.EventKind{"user."}}, admin.ExportJSON, &b); err != nil {
		t.Fatal(err)
	}
	last := int64(1 << 60)
	n := 0
	for dec := json.NewDecoder(&b); dec.More(); n++ {
		var l admin.EventLine
		if err := dec.Decode(&l); err != nil || l.Seq >= last && l.Kind != admin.EventLogHead || len(l.Hash) != 64 {
			t.Fatalf("%+v, %v", l, err)
		}
		if l.Kind == admin.EventLogHead { // where the log ended, and nothing behind it
			if head, err := w.db.LogHead(t.Context()); err != nil || l.Seq != head.Seq || l.Hash != fmt.Sprintf("%x", head.Hash) || dec.More() {
				t.Errorf("%+v, %v, %v", l, head, err)
			}
			break
		}
		last = l.Seq
	}
	if n != 450 {
		t.Errorf("%d events", n)
	}
	w.fails("another format", w.ExportEvents(t.Context(), console, idp.EventQuery{}, "xml", &b), idp.ErrInvalid)
	if c, err := w.VerifyEvents(t.Context(), console, nil); err != nil || c.Events != 450 {
		t.Errorf("%+v, %v", c, err)
	} else if e := w.last(idp.EventAuditChecked); e.Seq != 451 || e.Detail["count"] != "450" || e.Detail["head"] != fmt.Sprintf("%x", c.Head) || e.Detail["fault"] != "" {
		t.Errorf("event %+v", e)
	}
	if days, err := w.Days(t.Context(), console, 7); err != nil || len(days) != 7 || !days[6].At.Equal(w.now.Truncate(24*60*60*1e9)) {
		t.Errorf("%v, %v", days, err)
	}
}

// A name with spaces survives the file and the form.
func TestListsAreReadAsWritten(t *testing.T) {
	for line, want := range map[string][]string{
		"": nil, " ": nil, "ct": {"ct"}, " ct  mr ": {"ct", "mr"}, "a|b": {"a", "b"}, "tumour board|ct": {"tumour board", "ct"}, "tumour board|": {"tumour board"}, " | a b ||": {"a b"},
		`a\|b|`: {"a|b"}, `a\|b|c d`: {"a|b", "c d"}, `KLINIK\CT`: {`KLINIK\CT`}, `KLINIK\CT users|KLINIK\\|`: {`KLINIK\CT users`, `KLINIK\`}, "a\u00a0b|": {"a\u00a0b"},
	} {
		got := admin.ReadList(line)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
		if again := admin.ReadList(admin.WriteList(got)); !slices.Equal(again, got) {
			t.Errorf("%q: written as %q, which is %q", got, admin.WriteList(got), again)
		}
	}
}
