package desk_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/idptest"
	"hilum/idp/web/desk"
	"hilum/idp/web/page"
	"hilum/idp/web/webtest/walk"
)

// ward is a site with somebody of the staff before its administration, and Bert, who
// has an app and a phone that gives codes. Names are markup.
type ward struct {
	*scene
	bert       *walk.Account
	pixel, old idp.Device
}

const (
	oldPhone = "Lost <b>phone</b>"
	shownOld = "Lost &lt;b&gt;phone"
)

func newWard(t testing.TB, role idp.StaffRole, change ...func(*walk.Parts)) *ward {
	t.Helper()
	w := &ward{scene: &scene{Walk: walk.New(t, change...), made: map[string]string{}}}
	w.bert = w.Enrol(idp.User{Name: "bert", DisplayName: "Bert <i>Klein</i>", Email: "bert@hospital.example"})
	w.old = w.Device(w.bert.ID)
	w.Submit(w.Visit("/account/devices"), string(w.old.ID)+"/name", "name", oldPhone)
	w.old = w.Device(w.bert.ID)
	w.pixel = w.Link(w.bert.ID, idp.Device{Name: "Pixel 8", Kind: idp.DeviceApp, Platform: "android", PushType: idp.PushFCM, PushBadAt: idptest.Noon})
	w.Fresh()
	w.me = w.Staff(role)
	w.Stay()
	return w
}

// devicePath is the page of a device.
func devicePath(d idp.Device) string { return "/admin/devices/" + string(d.ID) }

// names are those of the devices that somebody has.
func (w *ward) names(user idp.UserID) (names []string) {
	w.Helper()
	for _, d := range idptest.Must(w.DB.Devices(w.Context(), user))(w.TB) {
		names = append(names, d.Name)
	}
	return names
}

// since are the events of a kind after a number.
func (s *scene) since(seq int64, kind idp.EventKind) (list []idp.Event) {
	s.Helper()
	for _, e := range idptest.Must(s.DB.Events(s.Context(), seq, 10_000))(s.TB) {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// unlinked checks that devices were unlinked since, in this order, each with an event of
// whoever is before the pages.
func (s *scene) unlinked(since int64, reason string, want ...idp.DeviceID) {
	s.Helper()
	var got []idp.DeviceID
	for _, e := range s.since(since, idp.EventDeviceUnlinked) {
		if got = append(got, e.Device); e.Actor.User != s.me.ID || e.Detail["reason"] != reason {
			s.Errorf("the log has %+v", e)
		}
		if _, err := s.DB.Device(s.Context(), e.Device); !errors.Is(err, idp.ErrNotFound) {
			s.Errorf("device %s is there (%v)", e.Device, err)
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("unlinked %q, want %q", got, want)
	}
}

func TestDeskDevices(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffHelpdesk)
	w.Link(w.bert.ID, idp.Device{Name: "In a drawer", Kind: idp.DeviceCode, LinkedAt: idptest.Noon.Add(-idp.UnusedFor - 24*time.Hour)})
	w.Wants(w.Get("/admin/devices"), 200, "4 devices", "Bert &lt;i&gt;Klein", shownOld, "not <b>phone", `name="id" value="`+string(w.pixel.ID), "Not arriving",
		`href="/admin/devices?f=ios"`, "down=1&amp;sort=person", `aria-sort="ascending"`, `<span class="tag">Unused`, "not id=\"next\"", "not id=\"short\"", "not Mail address</th>")
	w.Wants(w.Get("/admin/devices?f=unused"), 200, "1 device<", "In a drawer", "not Pixel 8")
	w.Wants(w.Get("/admin/devices?after=bad"), 400)
	w.Wants(w.Get("/admin/devices?q=x"), 200, "No device fits", `href="/admin/devices"`)
}

// A phone that can ask for a fingerprint or PIN is told from others, and found by that.
func TestDeskShowsWhoseFingerprintIsAsked(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAuditor)
	native := w.Link(w.bert.ID, idp.Device{Name: "Native", Kind: idp.DeviceApp, Platform: "android", UVKey: make([]byte, 64)})
	const mark = `<span class="tag">Fingerprint or PIN</span>`
	for _, path := range []string{"/admin/devices", "/admin/users/" + string(w.bert.ID)} {
		r := w.Get(path)
		w.Wants(r, 200, "Native", "Pixel 8", mark)
		if n := strings.Count(r.Body, mark); n != 1 {
			t.Errorf("%s marks %d devices", path, n)
		}
	}
	w.Wants(w.Get("/admin/devices?f=verifies"), 200, "1 device<", "Native", "not Pixel 8")
	w.Wants(w.Get(devicePath(native)), 200, `id="verifies"`)
	w.Wants(w.Get(devicePath(w.pixel)), 200, `not id="verifies"`)
	r := w.Get("/admin/devices.csv?q=bert&sort=device")
	if lines := strings.Split(r.Body, "\r\n"); len(lines) != 5 || !strings.HasSuffix(lines[0], ",verifies") || !strings.HasSuffix(lines[1], ",false") || !strings.HasSuffix(lines[2], ",true") {
		t.Errorf("the file is %q", r.Body)
	}
}

func TestDeskDevicesOfNobody(t *testing.T) {
	t.Parallel()
	w := walk.New(t)
	me := w.Staff(idp.StaffAdmin) // who may unlink what is their own
	code := w.RecoveryCodes(w.Submit(w.Visit("/account/recovery"), "/account/recovery"))[0]
	page := w.Visit("/admin/devices/unlink?id=" + string(w.Device(me.ID).ID))
	page = w.Submit(page, "/admin/devices/unlink", "devices", string(w.Device(me.ID).ID), "reason", "worn out")
	page = w.Submit(page, "/recovery", "recovery_code", code) // the session was confirmed with the phone that is gone
	w.Sees(page, "/admin/devices", "Nobody has linked a device yet", "not Unlink selected")
}

// weary is a desk that has searched as far as one request may.
type weary struct{ desk.Desk }

func (d weary) SearchDevices(ctx context.Context, by admin.By, q idp.DeviceQuery) (*idp.DevicePage, error) {
	p, err := d.Desk.SearchDevices(ctx, by, q)
	if err == nil {
		p.Partial = true
	}
	return p, err
}

func TestDeskDevicesSearchedInPart(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffHelpdesk, func(p *walk.Parts) { p.Wrap = func(d desk.Desk) desk.Desk { return weary{d} } })
	w.Wants(w.Get("/admin/devices?q=bert"), 200, `id="short"`, "Pixel 8")
}

func TestDeskDevicesForWhoOnlyReads(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAuditor)
	w.Wants(w.Get("/admin/devices"), 200, "Pixel 8", "not Unlink selected", "not data-pick")
	w.Wants(w.Get(devicePath(w.pixel)), 200, "Pixel 8", "not /reopen", "not /block", "not unlink?id")
}

// breaking is a desk whose downloads end in the middle.
type breaking struct{ desk.Desk }

func (d breaking) DevicesCSV(ctx context.Context, by admin.By, q idp.DeviceQuery, format admin.ExportFormat, w io.Writer) error {
	return errors.Join(d.Desk.DevicesCSV(ctx, by, q, format, w), errors.New("the disk is gone"))
}

func TestDeskDevicesCSV(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAuditor)
	w.Link(w.bert.ID, idp.Device{Name: "iPad", Kind: idp.DeviceApp, Platform: "ios", LinkedAt: idptest.Noon.Add(-time.Hour)})
	w.Link(w.bert.ID, idp.Device{Name: "iPhone", Kind: idp.DeviceApp, Platform: "ios", LinkedAt: idptest.Noon.Add(-2 * time.Hour)})
	r := w.Get("/admin/devices.csv?q=bert&f=ios&sort=linked")
	w.Wants(r, 200, ",iPhone,", ",iPad,", "bert,Bert <i>Klein</i>,bert@hospital.example,", "not Pixel")
	if lines := strings.Split(r.Body, "\r\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "\ufeffusername,") || !strings.Contains(lines[1], ",iPhone,") || !strings.Contains(lines[2], ",iPad,") {
		t.Errorf("the file is %q", r.Body)
	}
	if r.Header.Get("Content-Type") != "text/csv; charset=utf-8" || r.Header.Get("Content-Disposition") != `attachment; filename="devices.csv"` || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.Header)
	}
	exported := w.Events(idp.EventExported)
	if len(exported) != 1 || exported[0].Actor.User != w.me.ID || exported[0].Detail["filter"] != "q=bert f=ios" || exported[0].Detail["count"] != "2" {
		t.Errorf("the log has %+v", exported)
	}
	r = w.Get("/admin/devices.csv?f=none")
	w.Wants(r, 400, "<!doctype html>")
	if r.Header.Get("Content-Disposition") != "" {
		t.Error("an error is a download")
	}
}

// Half a file is no file: the connection breaks.
func TestDeskHalfAFile(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAuditor, func(p *walk.Parts) { p.Wrap = func(d desk.Desk) desk.Desk { return breaking{d} } })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/admin/devices.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := w.HTTP.Do(req); err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("half a file came through as a whole one")
		}
		res.Body.Close()
	}
	if !strings.Contains(w.Log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}
}

var olderLink = regexp.MustCompile(`id="older" href="([^"]*)"`)

func TestDeskDevice(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffAdmin)
	w.Elsewhere(func() {
		page := w.Visit("/account/devices")
		page = w.Submit(page, "/password", "username", "bert", "password", walk.Password)
		w.Later()
		w.Submit(page, "/code", "code", w.Code(w.bert))
		for i := range 20 { // more than a page shows
			w.Post("/account/devices/"+string(w.old.ID)+"/name", "name", fmt.Sprintf("%s %d", oldPhone, i))
		}
	})
	page := w.Get(devicePath(w.old))
	w.Wants(page, 200, shownOld, "2 of 5", `class="what">Renamed`, "by bert", "?after=", "/reopen", "/block", "not /unblock", `not class="what">Linked`)
	next := func(body string) string {
		if m := olderLink.FindStringSubmatch(body); m != nil {
			return html.UnescapeString(m[1])
		}
		t.Error("there is nothing older")
		return "/"
	}
	w.Wants(w.Get(next(page.Body)), 200, `class="what">Linked`, "by bert", "not ?after=")
	w.Leads(w.Post("/admin/users/"+string(w.bert.ID)+"/block", "reason", "left"), "/admin/users/"+string(w.bert.ID)+"?did=blocked")
	w.Wants(w.Get(devicePath(w.old)), 200, "/unblock", "Blocked", "not /reopen")

	// Of one that is unlinked there is what the log has.
	w.Leads(w.Post("/admin/devices/unlink", "devices", string(w.old.ID), "reason", "lost on the ward"), "/admin/devices?did=unlinked&n=1")
	page = w.Get(devicePath(w.old))
	w.Wants(page, 200, shownOld, "Bert &lt;i&gt;Klein", `id="gone"`, `id="unlinked"`, `class="what">Unlinked`, "by admin", "lost on the ward", "?after=", "not /reopen", "not unlink?id", "not /block")
	w.Wants(w.Get(next(page.Body)), 200, shownOld, `id="gone"`, `id="unlinked"`, `class="what">Linked`, "not ?after=")
	// The log has a link and no end of it, and nobody knows the person any more.
	stray := idp.NewID[idp.DeviceID]()
	if err := w.DB.AddEvent(t.Context(), idp.Event{Kind: idp.EventDeviceLinked, User: idp.NewID[idp.UserID](), Device: stray, Detail: map[string]string{"name": "Stray <b>phone"}}); err != nil {
		t.Fatal(err)
	}
	w.Wants(w.Get("/admin/devices/"+string(stray)), 200, "Stray &lt;b&gt;phone", `id="gone"`, "not id=\"unlinked\"")
	for _, id := range []string{idp.NewID[string](), "x", "..%2f", strings.Repeat("A", 27)} {
		w.Wants(w.Get("/admin/devices/"+id), 404, "There is nothing here")
	}
}

func TestDeskUnlink(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffHelpdesk)
	pixel, old := string(w.pixel.ID), string(w.old.ID)
	w.Leads(w.Get("/admin/devices/unlink"), "/admin/devices?did=none")
	w.Wants(w.Get("/admin/devices?did=none"), 200, "Nothing was selected")
	w.Wants(w.Get("/admin/devices/unlink?id="+pixel), 200, "Unlink Pixel 8?", `name="reason"`, `value="`+pixel+`"`)
	w.Wants(w.Get("/admin/devices/unlink?id="+pixel+"&id="+old), 200, "Unlink 2 devices?", shownOld, `value="`+pixel+" "+old+`"`)
	w.Wants(w.Get("/admin/devices/unlink?id="+idp.NewID[string]()), 404)

	before := w.head()
	for _, bad := range [][]string{{"devices", "x", "reason", "", "lost", "on"}, {"devices", "x", "reason", "lost"}} {
		w.Wants(w.Post("/admin/devices/unlink", bad...), 400)
	}
	w.Wants(w.Post("/admin/devices/unlink", "devices", pixel, "reason", ""), 422, "Say why.", `aria-invalid="true"`)
	if w.head() != before {
		t.Error("something was done")
	}

	// Without further ado Bert's session goes on; as lost, all ends that a thief has.
	w.Leads(w.Post("/admin/devices/unlink", "devices", pixel+" "+old, "reason", "lost"), "/admin/devices?did=unlinked&n=2")
	w.unlinked(before, "lost", w.pixel.ID, w.old.ID)
	w.Session(w.bert.ID)
	tablet := w.Link(w.bert.ID, idp.Device{Name: "Tablet", Kind: idp.DeviceCode})
	before = w.head()
	w.Leads(w.Post("/admin/devices/unlink", "devices", string(tablet.ID), "reason", "on the train", "lost", "on"), "/admin/devices?did=unlinked&n=1")
	w.unlinked(before, "on the train", tablet.ID)
	if ended := w.since(before, idp.EventSessionEnded); len(ended) != 1 || ended[0].User != w.bert.ID {
		t.Errorf("ended %+v", ended)
	}
	w.Wants(w.Get("/admin/devices?did=unlinked&n=2"), 200, "2 devices are unlinked")
	w.Wants(w.Get("/admin/devices?did=unlinked&n=-99999"), 200, "The device is unlinked")

	// Not all: each is named with what became of it.
	watch, gone := w.Link(w.bert.ID, idp.Device{Name: "Watch", Kind: idp.DeviceCode}), idp.NewID[idp.DeviceID]()
	chief := w.Link(w.Add(idp.User{Name: "chief", Staff: idp.StaffAuditor}).ID, idp.Device{Name: "Chief's", Kind: idp.DeviceCode})
	before = w.head()
	w.Wants(w.Post("/admin/devices/unlink", "devices", string(watch.ID+" "+gone+" "+chief.ID), "reason", "lost"), 409, "1 unlinked. 2 were not.", "Watch", "Gone already", string(gone), "Chief&#39;s", "Needs an administrator")
	w.unlinked(before, "lost", watch.ID)
	if list, err := w.DB.Devices(t.Context(), chief.User); err != nil || len(list) != 1 {
		t.Errorf("the chief has %v (%v)", list, err)
	}
}

func TestDeskUnlinkFound(t *testing.T) {
	t.Parallel()
	const path, filter = "/admin/devices/unlink/found", "?f=ios&q=bert+k"
	w := newWard(t, idp.StaffHelpdesk)
	iPhone := w.Link(w.bert.ID, idp.Device{Name: oldPhone, Kind: idp.DeviceApp, Platform: "ios"})
	iPad := w.Link(w.bert.ID, idp.Device{Name: "iPad", Kind: idp.DeviceApp, Platform: "ios"})
	digest := func(query idp.DeviceQuery) string {
		return idptest.Must(w.Desk.FindDevices(t.Context(), walk.Console, query))(t).Digest
	}
	q := idp.DeviceQuery{Words: "bert k", Facets: []idp.DeviceFacet{idp.FacetIOS}}
	first := digest(q)
	w.Wants(w.Get(path+filter), 200, "Unlink 2 devices?", "They belong to one person.", shownOld, "iPad", "not Pixel 8", `action="/admin/devices/unlink/found?f=ios&amp;q=bert&#43;k"`,
		`name="digest" value="`+first+`"`, `name="reason"`, `href="/admin/devices?f=ios&amp;q=bert&#43;k"`, `name="here" value="found:f=ios&amp;q=bert&#43;k"`,
		`not id="more"`, `not id="refused"`, `not id="changed"`)

	// Without a reason it asks again; where the list has changed too, and says so.
	before := w.head()
	w.Wants(w.Post(path+filter, "digest", first, "reason", ""), 422, "Say why.", `aria-invalid="true"`, "iPad", `not id="changed"`)
	iPod := w.Link(w.bert.ID, idp.Device{Name: "iPod", Kind: idp.DeviceApp, Platform: "ios"})
	w.Wants(w.Post(path+filter, "digest", first, "reason", "handed back"), 409, "has changed meanwhile, and nothing was unlinked", "iPod", `value="`+digest(q)+`"`, `value="handed back"`, `not aria-invalid`, "not "+first)
	w.unlinked(before, "")

	w.Leads(w.Post(path+filter, "digest", digest(q), "reason", "handed back"), "/admin/devices?did=unlinked&n=3")
	w.unlinked(before, "handed back", iPhone.ID, iPad.ID, iPod.ID)
	if got := w.names(w.bert.ID); !slices.Equal(got, []string{oldPhone, "Pixel 8"}) {
		t.Errorf("left are %q", got)
	}
	w.Session(w.bert.ID)
	// What is gone by now is a matter for the list.
	w.Leads(w.Post(path+filter, "digest", digest(q), "reason", "x"), "/admin/devices"+filter)
	w.Leads(w.Get(path+filter), "/admin/devices"+filter)

	before = w.head()
	pixel := idp.DeviceQuery{Words: "pixel"}
	w.Leads(w.Post(path+"?q=pixel", "digest", digest(pixel), "reason", "stolen bag", "lost", "on"), "/admin/devices?did=unlinked&n=1")
	w.unlinked(before, "stolen bag", w.pixel.ID)
	if ended := w.since(before, idp.EventSessionEnded); len(ended) != 1 || ended[0].User != w.bert.ID {
		t.Errorf("ended %+v", ended)
	}

	// A filter that narrows nothing, or that is none.
	before = w.head()
	for _, bad := range []string{"", "?q=+", "?sort=used", "?q=bert&f=no-facet", "?q=%ff", "?q=" + strings.Repeat("x", page.MaxParam)} {
		w.Leads(w.Get(path+bad), "/admin/devices?did=none")
		w.Wants(w.Post(path+bad, "digest", "a-digest", "reason", "x"), 400)
	}
	w.unlinked(before, "")
}

// blind is a desk that finds no devices.
type blind struct{ desk.Desk }

func (blind) FindDevices(context.Context, admin.By, idp.DeviceQuery) (*admin.FoundDevices, error) {
	return nil, errors.New("the disk is gone")
}

func TestDeskUnlinkFoundThatFails(t *testing.T) {
	t.Parallel()
	w := newWard(t, idp.StaffHelpdesk, func(p *walk.Parts) { p.Wrap = func(d desk.Desk) desk.Desk { return blind{d} } })
	w.Wants(w.Get("/admin/devices/unlink/found?q=bert"), 500, "not the disk is gone")
}

// The step-up comes back to the same question.
func TestDeskUnlinkFoundAfterStepUp(t *testing.T) {
	t.Parallel()
	s := newLate(t)
	s.Clock.Add(time.Second)
	l := s.begun(s.Post("/admin/devices/unlink/found?f=ios&f=app&q=%26q%3D+%C3%A9", "digest", "x", "reason", "lost"))
	if l == nil || l.Purpose != idp.ForStepUp || l.Target != "found:f=ios&f=app&q=%26q%3D+%C3%A9" {
		t.Errorf("begun %+v", l)
	}
	if path, ok := s.Door.Place("found:f=ios&f=app&q=%26q%3D+%C3%A9"); !ok || path != "/admin/devices/unlink/found?f=ios&f=app&q=%26q%3D+%C3%A9" {
		t.Errorf("back to %q", path)
	}
	if path, _ := s.Door.Place("found:q=x&after=k&did=none&//evil"); path != "/admin/devices/unlink/found?q=x" {
		t.Errorf("more than a filter: %q", path)
	}
	for _, bad := range []string{"found:", "found:q=+", "found:f=x", "found:%zz", "found:q=" + strings.Repeat("x", page.MaxParam)} {
		if path, ok := s.Door.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}

// town is a site with 2,001 people and a device each, and staff of every role in
// browsers of their own.
type town struct {
	*walk.Walk
	staff   map[idp.StaffRole]*walk.Account
	browser map[idp.StaffRole]*http.Client
	devices []idp.Device // by number
}

// newTown numbers everybody. All are of a ward; those below 1,500 are of the east, two
// are twins. Devices below 1,000 are of iOS, those of the first 134, who are called
// Bert, cannot be reached; 60 are browsers. One of those 60, and the last ten of iOS, belong
// to auditors.
func newTown(t testing.TB) *town {
	t.Helper()
	c := &town{Walk: walk.New(t), staff: map[idp.StaffRole]*walk.Account{}, browser: map[idp.StaffRole]*http.Client{}, devices: make([]idp.Device, 2001)}
	users := make([]idp.User, len(c.devices))
	for i := range users {
		d := &c.devices[i]
		*d = idp.Device{Name: fmt.Sprintf("phone-%03d", i), Kind: idp.DeviceApp, Platform: "android"}
		name := fmt.Sprintf("%04d Ward", i)
		if i < 1500 {
			name += " East"
		}
		u := &users[i]
		switch *u = (idp.User{ID: idp.NewID[idp.UserID](), Name: fmt.Sprintf("p%04d", i), State: idp.UserActive, CreatedAt: c.Clock.Now(), UpdatedAt: c.Clock.Now()}); {
		case i < 134:
			name += " Bert"
			d.Platform, d.PushType, d.PushBadAt = "ios", idp.PushFCM, idptest.Noon
		case i < 1000:
			d.Platform = "ios"
			if i >= 990 {
				u.Staff = idp.StaffAuditor
			}
		case i < 1060:
			d.Platform = "web"
			if i == 1007 {
				u.Staff = idp.StaffAuditor
			}
		case i > 1998:
			name += " Twin"
		}
		u.DisplayName = name
	}
	imported := idp.Event{Kind: idp.EventUsersImported, Actor: walk.Console.Actor}
	if err := c.DB.AddUsers(t.Context(), len(users), func(i int) idp.User { return users[i] }, imported, func(int) {}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup // transactions that wait together are written together
	const hands = 16
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < len(users); i += hands {
				c.devices[i] = c.Link(users[i].ID, c.devices[i])
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, role := range idp.StaffRoles {
		c.Fresh()
		c.staff[role] = c.Staff(role)
		c.Stay()
		c.browser[role] = c.HTTP
	}
	return c
}

// as goes to the browser of a role.
func (c *town) as(role idp.StaffRole) *scene {
	c.HTTP = c.browser[role]
	return &scene{Walk: c.Walk, me: c.staff[role], made: map[string]string{}}
}

// last is the key of the last page of what a query finds.
func (c *town) last(q idp.DeviceQuery) (key string) {
	c.Helper()
	for {
		p := idptest.Must(c.Desk.SearchDevices(c.Context(), walk.Console, q))(c.TB)
		if p.Next == "" {
			return string(q.After)
		}
		q.After = p.Next
	}
}

func TestDeskManyDevices(t *testing.T) {
	t.Parallel()
	c := newTown(t)
	t.Run("pages", c.pages)
	t.Run("select all found", c.selectAll)
	t.Run("unlink all found", c.unlinkAll)
}

// Everything that narrows and orders the list is in its address, and goes on with it.
func (c *town) pages(t *testing.T) {
	s := c.as(idp.StaffHelpdesk)
	s.Wants(s.Get("/admin/devices"), 200, "1,000&#43; devices", "phone-000", "phone-049", "not phone-050", `id="next"`, "not id=\"prev\"")
	q := idp.DeviceQuery{Words: "bert pho", Facets: []idp.DeviceFacet{idp.FacetFailing, idp.FacetIOS}, Sort: idp.DevicesByUsed, Down: true}
	q.After = idptest.Must(s.Desk.SearchDevices(t.Context(), walk.Console, q))(t).Next
	want := idptest.Must(s.Desk.SearchDevices(t.Context(), walk.Console, q))(t)
	if want.Next == "" || want.Prev == "" {
		t.Fatalf("beside it are the pages %q and %q", want.Prev, want.Next)
	}
	r := s.Get("/admin/devices?q=bert+pho&f=failing&f=ios&sort=used&down=1&col=email&col=used&after=" + string(q.After))
	s.Wants(r, 200, "134 devices", `value="bert pho"`, "after="+string(want.Next)+"&amp;", "before="+string(want.Prev)+"&amp;", `name="f" value="failing"`, `name="sort" value="used"`, "Mail address</th>", "not Notifications</th>",
		`aria-sort="descending"`, "/admin/devices.csv?", "Show all")
	var shown, found []string
	for _, m := range regexp.MustCompile(`<tr id="device-([^"]*)"`).FindAllStringSubmatch(r.Body, -1) {
		shown = append(shown, m[1])
	}
	for i := range want.Rows {
		found = append(found, string(want.Rows[i].Device.ID))
	}
	if !slices.Equal(shown, found) || len(shown) != idp.DefaultListPage {
		t.Errorf("%d rows are shown, and not those %d that were asked for", len(shown), len(found))
	}
	// Which rows are shown is said on every page, forth and back.
	beside := map[string]*regexp.Regexp{"next": regexp.MustCompile(`id="next" rel="next" href="([^"]*)"`), "prev": regexp.MustCompile(`id="prev" rel="prev" href="([^"]*)"`)}
	r = s.Get("/admin/devices?q=bert+pho&f=failing&f=ios")
	for _, turn := range []struct{ says, then string }{{"1–50 of 134", "next"}, {"51–100 of 134", "next"}, {"101–134 of 134", "prev"}, {"51–100 of 134", "prev"}, {"1–50 of 134", ""}} {
		s.Wants(r, 200, `id="range">`+turn.says+"<")
		if m := beside[cmp.Or(turn.then, "next")].FindStringSubmatch(r.Body); turn.then != "" && m != nil {
			r = s.Get(html.UnescapeString(m[1]))
		}
	}
	s.Wants(s.Get("/admin/devices?q=bert+pho&row=-1"), 200, "1–50 of")
}

// «Select all found» is offered where a search finds more than a page, and not more
// than is unlinked at once.
func (c *town) selectAll(t *testing.T) {
	const link, many = `id="all-found"`, `id="too-many"`
	for what, row := range map[string]struct {
		role  idp.StaffRole
		query string
		want  string
		not1  string
		not2  string
	}{
		"a search":                   {idp.StaffHelpdesk, "?q=bert&f=ios&sort=used&col=push", `href="/admin/devices/unlink/found?f=ios&amp;q=bert">Select all 134 found`, many, many},
		"the last page of it":        {idp.StaffAdmin, "?f=ios&after=" + c.last(idp.DeviceQuery{Facets: []idp.DeviceFacet{idp.FacetIOS}}), `href="/admin/devices/unlink/found?f=ios">Select all 1,000 found`, many, `id="next"`},
		"all of it on one page":      {idp.StaffAdmin, "?q=twin", "Unlink selected", link, many},
		"nothing narrows it":         {idp.StaffAdmin, "?q=+&sort=used", "Unlink selected", link, many},
		"more than once may":         {idp.StaffAdmin, "?q=east", "At most 1,000 devices can be unlinked at once", link, link},
		"what is not counted":        {idp.StaffAdmin, "?q=ward", "narrow the search", link, link},
		"a role that unlinks none":   {idp.StaffAuditor, "?q=bert", "Download", link, many},
		"the same, too many of them": {idp.StaffAuditor, "?q=ward", "phone-000", link, many},
	} {
		t.Log(what)
		s := c.as(row.role)
		s.Wants(s.Get("/admin/devices"+row.query), 200, row.want, "not "+row.not1, "not "+row.not2)
	}
}

func (c *town) unlinkAll(t *testing.T) {
	const path, ios = "/admin/devices/unlink/found", "?f=ios"
	digest := func(facet idp.DeviceFacet) string {
		return idptest.Must(c.Desk.FindDevices(t.Context(), walk.Console, idp.DeviceQuery{Facets: []idp.DeviceFacet{facet}}))(t).Digest
	}
	// The first are named, the others counted; who needs an administrator too.
	s := c.as(idp.StaffHelpdesk)
	s.Wants(s.Get(path+ios), 200, "Unlink 1,000 devices?", "They belong to 1,000 people.", "phone-000", "phone-019", "not phone-020", "and 980 more", "10 of them belong to people with a role")
	// What is too much for once is a matter for the list.
	before := s.head()
	s.Leads(s.Get(path+"?q=east"), "/admin/devices?q=east")
	s.Leads(s.Post(path+"?q=east", "digest", "a-digest", "reason", "x"), "/admin/devices?q=east")
	s.unlinked(before, "")
	// Of many only those are named that were not.
	s.Wants(s.Post(path+"?f=web", "digest", digest(idp.FacetWeb), "reason", "handed back"), 409, "59 unlinked. 1 was not.", "phone-1007", "Needs an administrator", "not phone-1008")
	var web, all []idp.DeviceID
	for i, d := range c.devices[:1060] {
		switch {
		case i < 1000:
			all = append(all, d.ID)
		case i != 1007:
			web = append(web, d.ID)
		}
	}
	s.unlinked(before, "handed back", web...)

	s = c.as(idp.StaffAdmin)
	s.Wants(s.Get(path+ios), 200, "Unlink 1,000 devices?", "phone-019", "and 980 more", `not id="refused"`)
	before = s.head()
	s.Wants(s.Post(path+ios, "digest", digest(idp.FacetIOS), "reason", ""), 422, "Say why.", `aria-invalid="true"`, "phone-019", `not id="changed"`)
	s.Leads(s.Post(path+ios, "digest", digest(idp.FacetIOS), "reason", "a new fleet"), "/admin/devices?did=unlinked&n=1000")
	s.unlinked(before, "a new fleet", all...)
	s.Wants(s.Get("/admin/devices?did=unlinked&n=1000"), 200, "1,000 devices are unlinked")
}
