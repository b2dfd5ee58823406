package web

import (
	"errors"
	"net/http"

	"hilum/idp"
	"hilum/idp/device"
	"hilum/templates"
)

func deviceOf(d idp.Device) templates.Device {
	t := templates.Device{
		ID: string(d.ID), Name: d.Name, Kind: string(d.Kind), Platform: d.Platform, LinkedAt: d.LinkedAt, UsedAt: d.LastUsedAt,
		PushBad: d.PushBadAt, Test: d.PushType != "",
	}
	switch {
	case d.Kind != idp.DeviceApp:
	case d.PushType == "":
		t.Push = "off"
	case !d.PushBadAt.IsZero():
		t.Push = "failing"
	case !d.PushOKAt.IsZero():
		t.Push = "working"
	default:
		t.Push = "untried"
	}
	return t
}

func (s *Server) devices(w http.ResponseWriter, r *http.Request, p who) error {
	return s.devicesPage(w, r, p, http.StatusOK, "", templates.Message{}, "")
}

// devicesPage lists the devices, with what is wrong with the new name of one.
func (s *Server) devicesPage(w http.ResponseWriter, r *http.Request, p who, status int, id idp.DeviceID, problem templates.Message, typed string) error {
	list, err := s.Devices.List(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	page := templates.Devices{Frame: s.accountFrame(r, p, "devices", "devices"), Max: idp.MaxDevices, Note: noteOf(r)}
	for _, d := range list {
		line := deviceOf(d)
		if d.ID == id {
			line.Problem, line.Typed = problem, typed
		}
		page.Devices = append(page.Devices, line)
	}
	return s.render(w, status, page)
}

func (s *Server) deviceName(w http.ResponseWriter, r *http.Request, p who) error {
	id, name := pathID[idp.DeviceID](r, "id"), r.PostFormValue("name")
	err := s.Devices.Rename(r.Context(), p.session, id, name)
	if err == nil {
		return seeOther(w, r, places["devices"]+"?did=renamed")
	}
	if _, problem, ok := s.fieldProblem(err); ok {
		return s.devicesPage(w, r, p, http.StatusUnprocessableEntity, id, problem, name)
	}
	return err
}

func (s *Server) linkIntro(w http.ResponseWriter, r *http.Request, p who) error {
	list, err := s.Devices.List(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	page := templates.LinkIntro{Frame: s.accountFrame(r, p, "link", "devices"), Count: len(list), Max: idp.MaxDevices, App: s.Origin + "/app"}
	if page.AppQR, err = drawQR(page.App); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, page)
}

func (s *Server) linkBegin(w http.ResponseWriter, r *http.Request, p who) error {
	offer, err := s.Devices.StartPairing(r.Context(), p.session)
	switch {
	case errors.Is(err, idp.ErrStale):
		return s.stepUp(w, r, p, "link")
	case errors.Is(err, idp.ErrConflict):
		return seeOther(w, r, places["link"]) // which says that all places are taken
	case err != nil:
		return err
	}
	return seeOther(w, r, places["link"]+"/"+string(offer.ID))
}

func (s *Server) linkPage(w http.ResponseWriter, r *http.Request, p who) error {
	offer, err := s.Devices.Offer(r.Context(), p.session, pathID[idp.PairingID](r, "pairing"))
	if err != nil {
		return s.linkFault(w, r, err)
	}
	return s.showLink(w, r, p, http.StatusOK, offer, templates.Link{})
}

func (s *Server) showLink(w http.ResponseWriter, r *http.Request, p who, status int, o *device.Offer, page templates.Link) error {
	if o.Linked {
		return seeOther(w, r, places["devices"]+"?did=linked")
	}
	offer, err := s.offer(o.Offer, o.ExpiresAt)
	if err != nil {
		return err
	}
	page.Live = "/account/link/" + string(o.ID)
	page.Word, page.Scan = o.Word(), templates.Scan{Name: o.Claimed, Rival: o.Rival, Silent: o.SilentPush}
	if o.WrongCodes >= 2 {
		page.ServerTime = o.ServerTime
	}
	page.Frame, page.ID, page.Offer = s.accountFrame(r, p, "link:"+string(o.ID), "devices"), string(o.ID), offer
	return s.render(w, status, page)
}

// linkFault says that an offer is spent, whatever the reason.
func (s *Server) linkFault(w http.ResponseWriter, r *http.Request, err error) error {
	if !errors.Is(err, idp.ErrNotFound) && !errors.Is(err, idp.ErrExpired) && !errors.Is(err, idp.ErrSettled) {
		return err
	}
	s.notice(w, r, http.StatusGone, templates.Notice{
		Kind: "bad", Title: templates.Say("error.expired"), Text: templates.Say("link.gone"), Link: places["link"], LinkText: templates.Say("link.title"),
	})
	return nil
}

func (s *Server) linkSubmit(w http.ResponseWriter, r *http.Request, p who) error {
	id := pathID[idp.PairingID](r, "pairing")
	page := templates.Link{Code: r.PostFormValue("code"), DeviceName: r.PostFormValue("device_name")}
	_, err := s.Devices.Confirm(r.Context(), p.session, id, page.Code, page.DeviceName)
	switch {
	case err == nil:
		return seeOther(w, r, places["devices"]+"?did=linked")
	case errors.Is(err, idp.ErrStale):
		return s.stepUp(w, r, p, "link:"+string(id))
	case errors.Is(err, idp.ErrConflict):
		return seeOther(w, r, places["link"])
	}
	var ok bool
	if page.Wrong, page.Problem, ok = s.fieldProblem(err); ok {
		page.Wrong = formField(page.Wrong)
	} else if page.Problem, ok = codeProblem(err); ok {
		page.Wrong, page.Code = "code", ""
	} else {
		return s.linkFault(w, r, err)
	}
	offer, err := s.Devices.Offer(r.Context(), p.session, id)
	if err != nil {
		return s.linkFault(w, r, err)
	}
	return s.showLink(w, r, p, http.StatusUnprocessableEntity, offer, page)
}

// deviceTest sends a push for its owner to see one arrive.
func (s *Server) deviceTest(w http.ResponseWriter, r *http.Request, p who) error {
	switch err := s.Devices.Test(r.Context(), p.session, pathID[idp.DeviceID](r, "id")); {
	case errors.Is(err, idp.ErrSettled):
		return seeOther(w, r, places["devices"]+"?did=nopush")
	case err != nil:
		return err
	}
	return seeOther(w, r, places["devices"]+"?did=tested")
}

func (s *Server) unlinkPage(w http.ResponseWriter, r *http.Request, p who) error {
	id := pathID[idp.DeviceID](r, "id")
	list, err := s.Devices.List(r.Context(), p.user.ID)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.ID == id {
			return s.render(w, http.StatusOK, templates.Unlink{
				Frame: s.accountFrame(r, p, "unlink:"+string(id), "devices"), Device: deviceOf(d), Last: len(list) == 1,
			})
		}
	}
	return idp.ErrNotFound
}

func (s *Server) unlink(w http.ResponseWriter, r *http.Request, p who) error {
	id := pathID[idp.DeviceID](r, "id")
	err := s.Devices.Unlink(r.Context(), p.session, id, r.PostFormValue("stolen") != "")
	switch {
	case err == nil:
		if r.PostFormValue("stolen") != "" {
			return seeOther(w, r, places["devices"]+"?did=stolen")
		}
		return seeOther(w, r, places["devices"]+"?did=unlinked")
	case errors.Is(err, idp.ErrStale):
		return s.stepUp(w, r, p, "unlink:"+string(id))
	case errors.Is(err, idp.ErrDenied) && id != "":
		return seeOther(w, r, "/account/devices/"+string(id)+"/unlink") // which says why the last one stays
	}
	return err
}
