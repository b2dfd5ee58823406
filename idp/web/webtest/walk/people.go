package walk

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"

	"hilum/idp"
	"hilum/idp/totp"
	"hilum/idp/web/webtest"
)

// Stay has the browser follow no redirect from here on: an answer that sends it on is
// seen by Leads.
func (w *Walk) Stay() { w.HTTP.CheckRedirect = stay }

// stay is the http.Client.CheckRedirect of a browser that follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Elsewhere does something in a browser of its own, and comes back to this one.
func (w *Walk) Elsewhere(do func()) {
	mine, at := w.HTTP, w.Path
	w.Fresh()
	do()
	w.HTTP, w.Path = mine, at
}

// Person enrols somebody in a browser of their own: they have a session there, and a
// phone that gives codes.
func (w *Walk) Person(u idp.User) (a *Account) {
	w.Helper()
	w.Elsewhere(func() { a = w.Enrol(u) })
	return a
}

// Link gives somebody a device as the database has it when its owner has linked it. ID,
// state, secret and, where it is zero, the time are given here.
func (w *Walk) Link(user idp.UserID, d idp.Device) idp.Device {
	w.Helper()
	now := w.Clock.Now()
	p := &idp.Pairing{ID: idp.NewID[idp.PairingID](), User: user, CreatedAt: now, ExpiresAt: now.Add(idp.PairingTTL)}
	if err := w.DB.AddPairing(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	d.ID, d.User, d.State = idp.NewID[idp.DeviceID](), user, idp.DeviceActive
	if d.LinkedAt.IsZero() {
		d.LinkedAt = now
	}
	var err error
	if d.SealedTOTP, err = w.Sealer.Seal(totp.NewSecret(), string(d.ID)); err != nil {
		w.Fatal(err)
	}
	if err := w.DB.UpdatePairing(w.Context(), p.ID, func(p *idp.Pairing) (*idp.Device, error) {
		p.UsedAt = now
		linked := d
		return &linked, nil
	}); err != nil {
		w.Fatal(err)
	}
	return d
}

// Session returns the only session of somebody.
func (w *Walk) Session(user idp.UserID) idp.Session {
	w.Helper()
	list, err := w.DB.Sessions(w.Context(), user, w.Clock.Now())
	if err != nil || len(list) != 1 {
		w.Fatalf("%d sessions, %v", len(list), err)
	}
	return list[0]
}

// Register registers an application, and returns its secret.
func (w *Walk) Register(c idp.Client) idp.Secret {
	w.Helper()
	secret, err := w.Desk.AddClient(w.Context(), Console, &c)
	if err != nil {
		w.Fatal(err)
	}
	return secret
}

// Upload sends a form that can carry a file; fields are names and values by turns, and
// one with the name «file» is a file.
func (w *Walk) Upload(path string, fields ...string) webtest.Reply {
	w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		create := form.CreateFormField
		if fields[i] == "file" {
			create = func(name string) (io.Writer, error) { return form.CreateFormFile(name, "people.csv") }
		}
		part, err := create(fields[i])
		if err == nil {
			_, err = part.Write([]byte(fields[i+1]))
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		w.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.URL+path, &body)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.Do(req)
}
