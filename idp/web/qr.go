package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/boombuler/barcode/qr"

	"hilum/idp/totp"
	"hilum/idp/web/page"
	"hilum/templates"
)

// quiet is the light margin a scanner needs, in modules (ISO/IEC 18004, 6.3.8).
const quiet = 4

// drawQR returns a QR code of a text as the path of one SVG element, whose unit is a
// module: the dark ones are drawn. Error correction is the lowest, level L: a screen has
// no dirt, and fewer modules scan faster. An error means a text that is too long.
func drawQR(text string) (templates.QR, error) {
	code, err := qr.Encode(text, qr.L, qr.Unicode)
	if err != nil {
		return templates.QR{}, fmt.Errorf("web: QR code: %w", err)
	}
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		if x >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var path []byte
	for y := range size {
		for x := 0; x < size; x++ {
			n := 0
			for dark(x+n, y) {
				n++
			}
			if n == 0 {
				continue
			}
			// A rectangle of n by one, from its upper left.
			path = append(path, 'M')
			path = strconv.AppendInt(path, int64(x+quiet), 10)
			path = append(path, ' ')
			path = strconv.AppendInt(path, int64(y+quiet), 10)
			path = append(path, 'h')
			path = strconv.AppendInt(path, int64(n), 10)
			path = append(path, "v1h-"...)
			path = strconv.AppendInt(path, int64(n), 10)
			path = append(path, 'z')
			x += n
		}
	}
	return templates.QR{Size: size + 2*quiet, Path: string(path)}, nil
}

// getApp says where our app is had from.
func getApp(door *page.Door) (templates.GetApp, error) {
	a := templates.GetApp{Address: door.Origin() + "/app"}
	var err error
	a.QR, err = drawQR(a.Address)
	return a, err
}

// shownOffer makes what the page at a path shows of a device of an account that waits to
// be linked. The offer is made by the verbs, never taken from a request.
func shownOffer(door *page.Door, r *http.Request, path, account string, o totp.Offer, expiresAt time.Time) (templates.Offer, error) {
	code, err := drawQR(o.URI)
	if err != nil {
		return templates.Offer{}, err
	}
	plain, err := drawQR(o.Plain)
	if err != nil {
		return templates.Offer{}, err
	}
	return templates.Offer{
		QR: code, Plain: plain, Secret: fours(o.Secret, " "), Account: account, Short: o.Short, IPhone: page.IsIPhone(r.UserAgent()), ExpiresAt: expiresAt, Seconds: door.Left(expiresAt),
		URI:  template.URL(o.URI),                                                                     //nolint:gosec // made and escaped by totp.URI
		Here: template.URL("/app/#link=" + url.QueryEscape(o.URI) + "&back=" + url.QueryEscape(path)), //nolint:gosec // escaped here; what follows the # is not sent
	}, nil
}
