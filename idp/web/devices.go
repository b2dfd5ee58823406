package web

import (
	"context"
	"errors"
	"net/http"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/idp/web/page"
	"hilum/templates"
)

func (a *account) devices(w http.ResponseWriter, r *http.Request, p page.Person) error {
	return a.devicesPage(w, r, p, http.StatusOK, "", templates.Message{}, "")
}

// devicesPage lists the devices. Where one could not be renamed, id is that device,
// problem says why, and typed is the name that was typed.
func (a *account) devicesPage(w http.ResponseWriter, r *http.Request, p page.Person, status int, id idp.DeviceID, problem templates.Message, typed string) error {
	list, err := a.phones.List(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	view := templates.Devices{Frame: a.door.PersonFrame(r, p, "devices", "devices"), Max: idp.MaxDevices, Note: noteOf(r)}
	for _, d := range list {
		line := page.DeviceOf(d)
		if d.ID == id {
			line.Problem, line.Typed = problem, typed
		}
		view.Devices = append(view.Devices, line)
	}
	return a.door.Render(w, status, view)
}

func (a *account) deviceName(w http.ResponseWriter, r *http.Request, p page.Person) error {
	id, name := page.PathID[idp.DeviceID](r, "id"), r.PostFormValue("name")
	err := a.phones.Rename(r.Context(), p.Session, id, name)
	if err == nil {
		return page.SeeOther(w, r, devicesPath+"?did=renamed")
	}
	if _, problem, ok := a.door.FieldProblem(err); ok {
		return a.devicesPage(w, r, p, http.StatusUnprocessableEntity, id, problem, name)
	}
	return err
}

func (a *account) linkIntro(w http.ResponseWriter, r *http.Request, p page.Person) error {
	list, err := a.phones.List(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	view := templates.LinkIntro{Frame: a.door.PersonFrame(r, p, "link", "devices"), Count: len(list), Max: idp.MaxDevices}
	if view.App, err = getApp(a.door); err != nil {
		return err
	}
	return a.door.Render(w, http.StatusOK, view)
}

func (a *account) linkBegin(w http.ResponseWriter, r *http.Request, p page.Person) error {
	start := a.phones.StartPairing
	if r.PostFormValue("move") != "" {
		start = a.phones.StartMoving
	}
	offer, err := start(r.Context(), p.Session)
	switch {
	case errors.Is(err, idp.ErrStale):
		return a.door.StepUp(w, r, p, "link")
	case errors.Is(err, idp.ErrConflict):
		return page.SeeOther(w, r, linkPath) // which says that all places are taken
	case err != nil:
		return err
	}
	return page.SeeOther(w, r, linkingPath(offer.ID))
}

func (a *account) linkPage(w http.ResponseWriter, r *http.Request, p page.Person) error {
	offer, err := a.phones.Offer(r.Context(), p.Session, page.PathID[idp.PairingID](r, "pairing"))
	if err != nil {
		return a.linkFault(w, r, err)
	}
	return a.showLink(w, r, p, http.StatusOK, offer, templates.Link{})
}

// showLink shows an offer, with what view says of the last try; once its device is
// linked the browser is sent on.
func (a *account) showLink(w http.ResponseWriter, r *http.Request, p page.Person, status int, o *device.Offer, view templates.Link) error {
	if o.Linked {
		return page.SeeOther(w, r, devicesPath+"?did=linked")
	}
	list, err := a.phones.List(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	view.Move = len(list) >= idp.MaxDevices
	view.Live = linkingPath(o.ID)
	offer, err := shownOffer(a.door, r, view.Live, o.Account, o.Offer, o.ExpiresAt)
	if err != nil {
		return err
	}
	if view.App, err = getApp(a.door); err != nil {
		return err
	}
	view.Word, view.Scan = o.Word(), templates.Scan{Name: o.Claimed, Rival: o.Rival, Silent: o.SilentPush}
	if o.WrongCodes >= 2 {
		view.ServerTime = o.ServerTime
	}
	view.Frame, view.ID, view.Offer = a.door.PersonFrame(r, p, "link:"+string(o.ID), "devices"), string(o.ID), offer
	return a.door.Render(w, status, view)
}

// linkFault says that an offer is good no more, whatever the reason. An err with another
// meaning is returned.
func (a *account) linkFault(w http.ResponseWriter, r *http.Request, err error) error {
	if !errors.Is(err, idp.ErrNotFound) && !errors.Is(err, idp.ErrExpired) && !errors.Is(err, idp.ErrSettled) {
		return err
	}
	a.door.Notice(w, r, http.StatusGone, templates.Notice{
		Kind: "bad", Title: templates.Say("error.expired"), Text: templates.Say("link.gone"),
		Form: linkPath, FormText: templates.Say("link.show"), Link: devicesPath, LinkText: templates.Say("link.back"),
	})
	return nil
}

func (a *account) linkSubmit(w http.ResponseWriter, r *http.Request, p page.Person) error {
	id := page.PathID[idp.PairingID](r, "pairing")
	view := templates.Link{Code: r.PostFormValue("code"), DeviceName: r.PostFormValue("device_name")}
	_, err := a.phones.Confirm(r.Context(), p.Session, id, view.Code, view.DeviceName)
	switch {
	case err == nil:
		return page.SeeOther(w, r, devicesPath+"?did=linked")
	case errors.Is(err, idp.ErrStale):
		return a.door.StepUp(w, r, p, "link:"+string(id))
	case errors.Is(err, idp.ErrConflict):
		return page.SeeOther(w, r, linkPath)
	}
	var ok bool
	if view.Wrong, view.Problem, ok = a.door.FieldProblem(err); ok {
		view.Wrong = formField(view.Wrong)
	} else if view.Problem, ok = codeProblem(err); ok {
		view.Wrong, view.Code = "code", ""
	} else {
		return a.linkFault(w, r, err)
	}
	offer, err := a.phones.Offer(r.Context(), p.Session, id)
	if err != nil {
		return a.linkFault(w, r, err)
	}
	return a.showLink(w, r, p, http.StatusUnprocessableEntity, offer, view)
}

// deviceTest sends a push to a device, for its owner to see one arrive.
func (a *account) deviceTest(w http.ResponseWriter, r *http.Request, p page.Person) error {
	switch err := a.phones.Test(r.Context(), p.Session, page.PathID[idp.DeviceID](r, "id")); {
	case errors.Is(err, idp.ErrSettled):
		return page.SeeOther(w, r, devicesPath+"?did=nopush")
	case err != nil:
		return err
	}
	return page.SeeOther(w, r, devicesPath+"?did=tested")
}

func (a *account) unlinkPage(w http.ResponseWriter, r *http.Request, p page.Person) error {
	id := page.PathID[idp.DeviceID](r, "id")
	list, err := a.phones.List(r.Context(), p.User.ID)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.ID == id {
			return a.door.Render(w, http.StatusOK, templates.Unlink{
				Frame: a.door.PersonFrame(r, p, "unlink:"+string(id), "devices"), Device: page.DeviceOf(d), Last: len(list) == 1,
			})
		}
	}
	return idp.ErrNotFound
}

func (a *account) unlink(w http.ResponseWriter, r *http.Request, p page.Person) error {
	id := page.PathID[idp.DeviceID](r, "id")
	err := a.phones.Unlink(r.Context(), p.Session, id, r.PostFormValue("stolen") != "")
	switch {
	case err == nil:
		if r.PostFormValue("stolen") != "" {
			return page.SeeOther(w, r, devicesPath+"?did=stolen")
		}
		return page.SeeOther(w, r, devicesPath+"?did=unlinked")
	case errors.Is(err, idp.ErrStale):
		return a.door.StepUp(w, r, p, "unlink:"+string(id))
	case errors.Is(err, idp.ErrDenied) && id != "":
		return page.SeeOther(w, r, "/account/devices/"+string(id)+"/unlink") // which says why the last one stays
	}
	return err
}

func (a *account) linkPulse(r *http.Request, p page.Person) page.Pulse {
	id := page.PathID[idp.PairingID](r, "pairing")
	return func(ctx context.Context) (string, []idp.Topic, error) {
		word, err := a.phones.Pulse(ctx, p.Session, id)
		return word, []idp.Topic{idp.TopicPairing(id)}, err
	}
}

func (a *account) linkState(w http.ResponseWriter, r *http.Request, p page.Person) error {
	return a.door.State(w, r, a.linkPulse(r, p))
}

func (a *account) linkEvents(w http.ResponseWriter, r *http.Request, p page.Person) error {
	return a.door.Events(w, r, a.linkPulse(r, p))
}
