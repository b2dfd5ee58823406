package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A camera that may be used already plays the QR code of the page; the app reads it, links, and answers
// a sign-in.
func TestAppCamera(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	rp := d.public(t)
	bert := d.invite(t, "bert")
	film := cameraFile(t, pngOf(t, qrPicture(t, bert.offers(d.Issuer), 8)))
	p := &handset{window: openWindow(t, true, fakeCamera(film)...), home: d.Issuer, registrations: map[string]string{}}
	p.do(chromedp.EmulateViewport(360, 740))
	p.launch()
	p.click("#add")
	p.see("#link-form")
	p.fill("#phone", "Pixel 8")
	p.taps("#continue")
	p.taps("#login")
	p.says("#said", "linked")

	w := openWindow(t, true)
	w.enters(rp, bert.name, bert.password)
	w.see("#number")
	p.types(w.text("#number"))
	p.says("#said", "Go back")
	w.arrives(rp)
	p.quiet()
	w.quiet()
}
