package desk

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/idp/web/page"
)

func TestDeskDevices(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get("/admin/devices"), 200, "1,000&#43; devices", "Bert &lt;i&gt;Klein", "Lost &lt;b&gt;phone", "not <b>phone", `name="id" value="`+aDevice, "Not arriving",
		`href="/admin/devices?f=ios"`, "down=1&amp;sort=person", `aria-sort="ascending"`, "Unused", "not id=\"next\"", "not Mail address</th>")

	// Everything that narrows and orders the list is in its address, and goes on with it.
	desk.devices.Next, desk.devices.Prev, desk.devices.Short = "nextkey", "prevkey", true
	r := d.Get("/admin/devices?q=bert+pix&f=failing&f=ios&sort=used&down=1&col=email&col=used&after=k")
	d.Wants(r, 200, `value="bert pix"`, "after=nextkey&amp;", "before=prevkey", `name="f" value="failing"`, `name="sort" value="used"`, "Mail address</th>", "not Notifications</th>",
		`aria-sort="descending"`, `id="short"`, "/admin/devices.csv?", "Show all")
	want := idp.DeviceQuery{Words: "bert pix", Facets: []idp.DeviceFacet{idp.FacetFailing, idp.FacetIOS}, Sort: idp.DevicesByUsed, Down: true, Page: idp.Page{After: "k"}}
	if got := desk.query; got.Words != want.Words || !slices.Equal(got.Facets, want.Facets) || got.Sort != want.Sort || !got.Down || got.Page != want.Page {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	d.Wants(d.Get("/admin/devices?after=bad"), 400)

	desk.devices = idp.DevicePage{}
	d.Wants(d.Get("/admin/devices"), 200, "Nobody has linked a device yet", "not Unlink selected")
	d.Wants(d.Get("/admin/devices?q=x"), 200, "No device fits", `href="/admin/devices"`)
}

func TestDeskDevicesForWhoOnlyReads(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAuditor)
	d.Wants(d.Get("/admin/devices"), 200, "not Unlink selected", "not data-pick")
	d.Wants(d.Get("/admin/devices/"+aDevice), 200, "not /reopen", "not /block", "not unlink?id")
}

func TestDeskDevicesCSV(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAuditor)
	r := d.Get("/admin/devices.csv?q=bert&f=ios&sort=linked")
	d.Wants(r, 200, "anna,Pixel 8\r\n")
	if r.Header.Get("Content-Type") != "text/csv; charset=utf-8" || r.Header.Get("Content-Disposition") != `attachment; filename="devices.csv"` || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.Header)
	}
	if desk.query.Words != "bert" || len(desk.query.Facets) != 1 || desk.query.Sort != idp.DevicesByLinked {
		t.Errorf("asked for %+v", desk.query)
	}
	desk.err = &idp.FieldError{Field: "facet", Message: "list.facet.bad"}
	r = d.Get("/admin/devices.csv")
	d.Wants(r, 400, "<!doctype html>")
	if r.Header.Get("Content-Disposition") != "" {
		t.Error("an error is a download")
	}
	// Half a file is no file: the connection breaks.
	desk.err, desk.half = nil, errors.New("the disk is gone")
	req, _ := http.NewRequest(http.MethodGet, d.URL+"/admin/devices.csv", nil)
	if res, err := d.HTTP.Do(req); err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("half a file came through as a whole one")
		}
		res.Body.Close()
	}
	if !strings.Contains(d.log.String(), "the disk is gone") {
		t.Error("nothing was logged")
	}
}

func TestDeskDevice(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.events = idp.EventPage{Rows: []idp.Event{{Seq: 7, At: noon, Kind: idp.EventDeviceUnlinked, Actor: idp.Actor{Name: "helga"}, Detail: map[string]string{"reason": "lost on the ward"}}}, Turns: idp.Turns{Next: "older"}}
	d.Wants(d.Get("/admin/devices/"+aDevice), 200, "Pixel 8", "2 of 5", "Unlinked", "by helga", "lost on the ward", "?after=older", "/reopen", "/block", "not /unblock")
	desk.devices.Rows[0].User.State = idp.UserDisabled
	d.Wants(d.Get("/admin/devices/"+aDevice), 200, "/unblock", "Blocked", "not /reopen")
	// Of one that is unlinked there is what the log has.
	const gone = "DEVICEDEVICEDEVICEDEVICED7"
	desk.events.Rows[0].User, desk.events.Rows[0].Detail["name"] = aUser, "Old <b>phone"
	d.Wants(d.Get("/admin/devices/"+gone), 200, "Old &lt;b&gt;phone", "Bert &lt;i&gt;Klein", `id="gone"`, "by helga", "lost on the ward", "?after=older", "not /reopen", "not unlink?id", "not /block")
	desk.events.Rows[0].User, desk.events.Rows[0].Kind = "USERUSERUSERUSERUSERUSERU7", idp.EventDeviceLinked
	d.Wants(d.Get("/admin/devices/"+gone), 200, `id="gone"`, "not id=\"unlinked\"")
	desk.events.Rows = nil
	for _, id := range []string{gone, "x", "..%2f", strings.Repeat("A", 27)} {
		d.Wants(d.Get("/admin/devices/"+id), 404, "There is nothing here")
	}
}

func TestDeskUnlink(t *testing.T) {
	const other = "DEVICEDEVICEDEVICEDEVICED3"
	d := open(t)
	desk := d.staffed(idp.StaffHelpdesk)
	d.Leads(d.Get("/admin/devices/unlink"), "/admin/devices?did=none")
	d.Wants(d.Get("/admin/devices/unlink?id="+aDevice), 200, "Unlink Pixel 8?", `name="reason"`, `value="`+aDevice+`"`)
	d.Wants(d.Get("/admin/devices/unlink?id="+aDevice+"&id="+other), 200, "Unlink 2 devices?", "Lost &lt;b&gt;phone", `value="`+aDevice+" "+other+`"`)
	d.Wants(d.Get("/admin/devices/unlink?id="+strings.Replace(aDevice, "2", "7", 1)), 404)

	d.Leads(d.Post("/admin/devices/unlink", "devices", aDevice+" "+other, "reason", "lost"), "/admin/devices?did=unlinked&n=2")
	if !slices.Equal(desk.asked, []string{"unlink " + aDevice + "," + other + " lost"}) {
		t.Errorf("asked %q", desk.asked)
	}
	desk.asked = nil
	d.Leads(d.Post("/admin/devices/unlink", "devices", aDevice, "reason", "on the train", "lost", "on"), "/admin/devices?did=unlinked&n=1")
	if !slices.Equal(desk.asked, []string{"unlink " + aDevice + " on the train (lost)"}) {
		t.Errorf("asked %q", desk.asked)
	}
	d.Wants(d.Post("/admin/devices/unlink", "devices", "x", "reason", "", "lost", "on"), 400)
	d.Wants(d.Get("/admin/devices?did=unlinked&n=2"), 200, "2 devices are unlinked")
	d.Wants(d.Get("/admin/devices?did=unlinked&n=-99999"), 200, "The device is unlinked")
	d.Wants(d.Post("/admin/devices/unlink", "devices", "x", "reason", "lost"), 400)

	desk.err = &idp.FieldError{Field: "reason", Message: "text.missing"}
	d.Wants(d.Post("/admin/devices/unlink", "devices", aDevice, "reason", ""), 422, "Say why.", `aria-invalid="true"`)

	// Not all: each is named with what became of it.
	desk.err = nil
	desk.results = []admin.Unlinked{{Device: aDevice, Name: "Pixel 8", Person: "bert"}, {Device: other, Err: fmt.Errorf("x: %w", idp.ErrNotFound)}, {Name: "Chief's", Person: "chief", Err: idp.ErrDenied}}
	d.Wants(d.Post("/admin/devices/unlink", "devices", aDevice+" "+other, "reason", "lost"), 409, "1 unlinked. 2 were not.", "Gone already", "Needs an administrator")
}

// «Select all found» is offered where a search finds more than a page, and not
// more than is unlinked at once.
func TestDeskSelectAllFound(t *testing.T) {
	const link, many = `id="all-found"`, `id="too-many"`
	for what, c := range map[string]struct {
		role       idp.StaffRole
		query      string
		turns      idp.Turns
		total      *idp.Count
		want, not1 string
		not2       string
	}{
		"a search":                   {idp.StaffHelpdesk, "?q=bert&f=ios&sort=used&col=push", idp.Turns{Next: "n"}, &idp.Count{N: 134}, `href="/admin/devices/unlink/found?f=ios&amp;q=bert">Select all 134 found`, many, many},
		"the last page of it":        {idp.StaffAdmin, "?f=ios&after=k", idp.Turns{Prev: "p"}, &idp.Count{N: 1000}, `href="/admin/devices/unlink/found?f=ios">Select all 1,000 found`, many, many},
		"all of it on one page":      {idp.StaffAdmin, "?q=bert", idp.Turns{}, &idp.Count{N: 2}, "Unlink selected", link, many},
		"nothing narrows it":         {idp.StaffAdmin, "?q=+&sort=used", idp.Turns{Next: "n"}, &idp.Count{N: 134}, "Unlink selected", link, many},
		"more than once may":         {idp.StaffAdmin, "?q=bert", idp.Turns{Next: "n"}, &idp.Count{N: 1000, More: true}, "At most 1,000 devices can be unlinked at once", link, link},
		"what is not counted":        {idp.StaffAdmin, "?q=bert", idp.Turns{Next: "n"}, nil, "narrow the search", link, link},
		"a role that unlinks none":   {idp.StaffAuditor, "?q=bert", idp.Turns{Next: "n"}, &idp.Count{N: 134}, "Download", link, many},
		"the same, too many of them": {idp.StaffAuditor, "?q=bert", idp.Turns{Next: "n"}, nil, "bert", link, many},
	} {
		d := open(t)
		desk := d.staffed(c.role)
		desk.devices.Turns, desk.devices.Total = c.turns, c.total
		t.Log(what)
		d.Wants(d.Get("/admin/devices"+c.query), 200, c.want, "not "+c.not1, "not "+c.not2)
	}
}

func TestDeskUnlinkFound(t *testing.T) {
	const at, filter = "/admin/devices/unlink/found", "?f=ios&q=bert+k"
	d := open(t)
	desk := d.staffed(idp.StaffHelpdesk)
	d.Wants(d.Get(at+filter), 200, "Unlink 2 devices?", "They belong to one person.", "Lost &lt;b&gt;phone", `action="/admin/devices/unlink/found?f=ios&amp;q=bert&#43;k"`,
		`name="digest" value="a-digest"`, `name="reason"`, `href="/admin/devices?f=ios&amp;q=bert&#43;k"`, `name="here" value="found:f=ios&amp;q=bert&#43;k"`,
		`not id="more"`, `not id="refused"`, `not id="changed"`)
	if q := desk.query; q.Words != "bert k" || !slices.Equal(q.Facets, []idp.DeviceFacet{idp.FacetIOS}) {
		t.Errorf("asked for %+v", q)
	}

	// The first are named, the others counted; who needs an administrator too.
	row := desk.devices.Rows[0]
	desk.found.Rows, desk.found.People = nil, 1000
	for i := range admin.MaxUnlink {
		row.Device.Name = fmt.Sprintf("phone-%03d", i)
		if row.User.Staff = idp.StaffNone; i >= 990 {
			row.User.Staff = idp.StaffAuditor
		}
		desk.found.Rows = append(desk.found.Rows, row)
	}
	d.Wants(d.Get(at+filter), 200, "Unlink 1,000 devices?", "They belong to 1,000 people.", "phone-000", "phone-019", "not phone-020", "and 980 more", "10 of them belong to people with a role")

	desk.query = idp.DeviceQuery{}
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "handed back"), "/admin/devices?did=unlinked&n=1000")
	if !slices.Equal(desk.asked, []string{"unlink found a-digest handed back"}) || desk.query.Words != "bert k" || len(desk.query.Facets) != 1 {
		t.Errorf("asked %q for %+v", desk.asked, desk.query)
	}
	d.Wants(d.Get("/admin/devices?did=unlinked&n=1000"), 200, "1,000 devices are unlinked")
	desk.asked = nil
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "stolen bag", "lost", "on"), "/admin/devices?did=unlinked&n=1000")
	if !slices.Equal(desk.asked, []string{"unlink found a-digest stolen bag (lost)"}) {
		t.Errorf("asked %q", desk.asked)
	}

	// Of many only those are named that were not.
	desk.results = make([]admin.Unlinked, 60)
	for i := range desk.results {
		desk.results[i] = admin.Unlinked{Device: aDevice, Name: fmt.Sprintf("phone-%03d", i), Person: "bert"}
	}
	desk.results[7].Err = idp.ErrDenied
	d.Wants(d.Post(at+filter, "digest", "a-digest", "reason", "handed back"), 409, "59 unlinked. 1 was not.", "phone-007", "Needs an administrator", "not phone-008")

	// Without a reason it asks again; where the list has changed too, and says so.
	desk.err = &idp.FieldError{Field: "reason", Message: "text.missing"}
	d.Wants(d.Post(at+filter, "digest", "a-digest", "reason", ""), 422, "Say why.", `aria-invalid="true"`, "phone-019", `not id="changed"`)
	desk.err, desk.found.Digest = fmt.Errorf("found: %w", idp.ErrConflict), "another"
	d.Wants(d.Post(at+filter, "digest", "a-digest", "reason", "handed back"), 409, "has changed meanwhile, and nothing was unlinked", `value="another"`, `value="handed back"`, `not aria-invalid`, "not a-digest")
	// What is gone, and what is too much by now, is a matter for the list.
	desk.found.Rows = nil
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "x"), "/admin/devices"+filter)
	d.Leads(d.Get(at+filter), "/admin/devices"+filter)
	desk.findErr = &idp.FieldError{Field: "devices", Message: "devices.count"}
	desk.err = desk.findErr
	d.Leads(d.Get(at+filter), "/admin/devices"+filter)
	d.Leads(d.Post(at+filter, "digest", "a-digest", "reason", "x"), "/admin/devices"+filter)
	desk.findErr, desk.err = errors.New("the disk is gone"), nil
	d.Wants(d.Get(at+filter), 500)

	// A filter that narrows nothing, or that is none.
	for _, bad := range []string{"", "?q=+", "?sort=used", "?q=bert&f=no-facet", "?q=%ff", "?q=" + strings.Repeat("x", page.MaxParam)} {
		desk.asked = nil
		d.Leads(d.Get(at+bad), "/admin/devices?did=none")
		d.Wants(d.Post(at+bad, "digest", "a-digest", "reason", "x"), 400)
		if len(desk.asked) != 0 {
			t.Errorf("%q: did %q", bad, desk.asked)
		}
	}
}

// The step-up comes back to the same question.
func TestDeskUnlinkFoundAfterStepUp(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAdmin)
	desk.err = fmt.Errorf("unlink: %w", idp.ErrStale)
	d.Leads(d.Post("/admin/devices/unlink/found?f=ios&f=app&q=%26q%3D+%C3%A9", "digest", "x", "reason", "lost"), "/login/"+aLogin)
	d.asked("stepup found:f=ios&f=app&q=%26q%3D+%C3%A9")
	if path, ok := d.page.Place("found:f=ios&f=app&q=%26q%3D+%C3%A9"); !ok || path != "/admin/devices/unlink/found?f=ios&f=app&q=%26q%3D+%C3%A9" {
		t.Errorf("back to %q", path)
	}
	if path, _ := d.page.Place("found:q=x&after=k&did=none&//evil"); path != "/admin/devices/unlink/found?q=x" {
		t.Errorf("more than a filter: %q", path)
	}
	for _, bad := range []string{"found:", "found:q=+", "found:f=x", "found:%zz", "found:q=" + strings.Repeat("x", page.MaxParam)} {
		if path, ok := d.page.Place(bad); ok {
			t.Errorf("%q is the place %q", bad, path)
		}
	}
}
