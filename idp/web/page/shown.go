package page

import (
	"unicode"

	"hilum/idp"
	"hilum/templates"
)

// DeviceOf is a device as pages show it.
func DeviceOf(d idp.Device) templates.Device {
	t := templates.Device{
		ID: string(d.ID), Name: d.Name, Kind: string(d.Kind), Platform: d.Platform, LinkedAt: d.LinkedAt, UsedAt: d.LastUsedAt,
		PushBad: d.PushBadAt, Test: d.PushType != "", Verifies: d.Verifies(),
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

// Where is a client address as pages in a language (BCP 47) show it.
func (d *Door) Where(address, lang string) templates.Where {
	w := templates.Where{Address: address}
	if address == "" {
		return w
	}
	if d.conf.Network != nil {
		w.Network = d.conf.Network(address)
	}
	if d.conf.Place != nil {
		w.Place = d.conf.Place(address, lang)
	}
	return w
}

// PicturePath is where a picture is served; empty for none.
func PicturePath(id idp.PictureID) string {
	if id == "" {
		return ""
	}
	return "/pictures/" + string(id) + ".png"
}

// TileOf is what stands for an application: its icon, and the first letter or digit of
// its name.
func TileOf(c *idp.Client) templates.Tile {
	t := templates.Tile{Icon: PicturePath(c.Icon)}
	for _, r := range c.Name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			t.Letter = string(unicode.ToUpper(r))
			break
		}
	}
	return t
}
