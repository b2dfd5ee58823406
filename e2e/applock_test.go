package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// finger is what verifies the person of a phone: a platform authenticator of Chromium.
type finger struct {
	p  *handset
	id webauthn.AuthenticatorID
}

// fingerprint gives the phone a reader of fingerprints; secrets is whether it has the
// extension prf.
func (p *handset) fingerprint(secrets bool) *finger {
	p.t.Helper()
	off := false
	_, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{EnableUI: &off})
	p.check(err)
	got, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, HasPrf: secrets, AutomaticPresenceSimulation: true, IsUserVerified: true,
	}})
	p.check(err)
	return &finger{p, got.AuthenticatorID}
}

// fits says whether the finger on the reader is the person's: otherwise the reader says
// that it has verified nobody. A reader that refuses is tried until it is blocked for good.
func (f *finger) fits(yes bool) {
	f.p.t.Helper()
	wrong := !yes
	_, err := chromedp.Call(f.p.ctx, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: f.id, IsBadUV: &wrong})
	f.p.check(err)
}

// forgets has a page know nothing of an app that was open half a minute ago.
const forgets = `if (location.protocol !== "about:") sessionStorage.removeItem("hilum.opened")`

// locks turns the lock of the app on.
func (p *handset) locks() {
	p.t.Helper()
	p.taps(".icon-button")
	p.taps("#to-lock")
	p.taps("#lock-start")
	p.says("#lock-state", "The app is locked")
	p.taps("#back")
	p.see("#to-lock")
	p.taps("#back")
	p.see("#accounts")
}

// An app that is locked shows no codes before the phone has verified its person, shows
// who signs in, denies at once and approves after a fingerprint. What was linked since has
// a second key: a site that wants one asks this phone, and tells so in amr.
func TestAppLock(t *testing.T) {
	t.Parallel()
	d, rp := startPlainAt(t, "localhost") // credentials are of a name, and not of an address
	bert := d.invite(t, "bert")
	p := newHandset(t, d.issuer)
	f := p.fingerprint(true)
	p.scans(bert.offers(d.issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	p.locks()
	p.see(".code-text") // it has just been opened by the lock's making

	// Closed for longer than half a minute.
	p.inject(forgets)
	p.launch()
	p.says("h1", "Locked")
	if n := p.count(".code-text, .card, #accounts"); n != 0 {
		t.Errorf("%d accounts are shown while the app is locked", n)
	}
	for _, at := range []string{"menu", "rename", "unpair", "lock"} { // nor by their addresses
		p.js(`location.hash = "` + at + `=" + JSON.parse(localStorage.getItem("hilum.accounts"))[0].id`)
		p.says("h1", "Locked")
	}
	f.fits(false)
	p.taps("#unlock")
	p.says("#problem", "has not confirmed that it is you")
	f.fits(true)
	p.taps("#unlock")
	p.js(`location.hash = ""`)
	p.see(".code-text")

	// Asked while it is locked: denied without a finger, approved with one.
	p.launch()
	p.says("h1", "Locked")
	s, _ := bert.sits(rp)
	p.says("h1", "Thorax")
	f.fits(false)
	p.taps("#deny")
	p.taps("#mistake")
	p.says("#said", "Denied")
	if at := s.reads(); !strings.Contains(at, "Denied on Pixel 8") {
		t.Errorf("the page says %s", at)
	}
	s.leaves()
	p.says("h1", "Locked")
	s, number := bert.sits(rp)
	p.see("#login")
	p.answersBy(number)
	p.says("#problem", "has not confirmed that it is you")
	f.fits(true)
	p.taps("#login")
	p.says("#said", "Done.")
	if amr := s.amr(); slices.Contains(amr, "user") {
		t.Errorf("amr is %q for a phone without a second key", amr)
	}

	// Linked since the app is locked, and asked where a fingerprint is wanted.
	d.idp(t, "client", "edit", rp.id, "--verify")
	carla := d.invite(t, "carla")
	p.scans(carla.offers(d.issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	p.holds(`document.querySelectorAll("#accounts .card").length === 2`)
	s, number = carla.sits(rp)
	p.see("#login")
	p.answersBy(number)
	p.says("#said", "Done.")
	if amr := s.amr(); !slices.Contains(amr, "user") {
		t.Errorf("amr is %q after a fingerprint", amr)
	}

	// Unlocked for good: codes are shown, and the second key still wants the finger.
	p.taps(".icon-button")
	p.taps("#to-lock")
	p.taps("#lock-stop")
	p.says("#lock-state", "not locked")
	p.launch()
	p.see(".code-text")
	s, number = carla.sits(rp)
	p.see("#login")
	f.fits(false)
	p.answersBy(number)
	p.says("#problem", "has not confirmed that it is you")
	f.fits(true)
	p.taps("#login")
	p.says("#said", "Done.")
	if amr := s.amr(); !slices.Contains(amr, "user") {
		t.Errorf("amr is %q after a fingerprint", amr)
	}
	p.quiet()
}

// A phone whose browser makes no secrets locks the app all the same, and says what it
// cannot do; one that verifies nobody offers no lock. A lock whose credential is gone ends
// with the accounts.
func TestAppLockOfLesserPhones(t *testing.T) {
	t.Parallel()
	d, _ := startPlainAt(t, "localhost")
	bert := d.invite(t, "bert")
	p := newHandset(t, d.issuer)
	p.scans(bert.offers(d.issuer), "Pixel 8")
	p.taps("#login")
	p.see(".code-text")
	p.taps(".icon-button")
	p.taps("#to-lock")
	p.says("#lock-state", "cannot ask for a fingerprint")
	p.launch()

	f := p.fingerprint(false)
	p.locks()
	p.taps(".icon-button")
	p.taps("#to-lock")
	p.says("#lock-more", "cannot prove the confirmation")
	p.inject(forgets)
	p.launch()
	p.taps("#unlock")
	p.see(".code-text")
	bert.offersAndLinks(p, d.issuer)
	if uv := p.js(`new Promise((done) => { const r = indexedDB.open("hilum"); r.onsuccess = () => { const all = r.result.transaction("accounts").objectStore("accounts").getAll(); all.onsuccess = () => done(all.result.filter((a) => a.uv).length) } })`); uv != "0" {
		t.Errorf("%s accounts have a second key that nothing protects", uv)
	}

	_, err := chromedp.Call(p.ctx, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: f.id})
	p.check(err)
	p.launch()
	p.taps("#unlock")
	p.see("#problem")
	p.taps("#begin-anew summary")
	p.taps("#forget-all")
	p.see(".view.first #add")
	if n := p.js(`localStorage.getItem("hilum.lock")`); n != "null" {
		t.Errorf("the lock is still kept: %s", n)
	}
	p.quiet()
}

// offersAndLinks links the phone once more, to the same person.
func (p *person) offersAndLinks(phone *handset, issuer string) {
	p.t.Helper()
	phone.scans(p.offers(issuer), "Pixel 8 again")
	phone.taps("#login")
	phone.says("#said", "linked")
}

// answersBy taps Login, with the number where one is asked for.
func (p *handset) answersBy(number string) {
	p.t.Helper()
	if number != "" && p.count(".pad") > 0 {
		p.types(number)
		return
	}
	p.taps("#login")
}

// amr goes on to the application, and returns how the person has signed in.
func (s *chair) amr() []string {
	s.t.Helper()
	s.at = s.submit(s.get(s.at.url.String()), "phone-form", nil)
	tk := must[*tokens](s.t)(s.rp.exchange(s.rp.answer(s.at)))
	var list []string
	all, _ := claim(s.t, tk.ID, "amr").([]any)
	for _, one := range all {
		text, _ := one.(string)
		list = append(list, text)
	}
	return list
}
